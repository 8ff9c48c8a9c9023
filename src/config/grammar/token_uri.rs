//! PKCS#11 URIs (RFC 7512), read strictly: an attribute that would have no effect is refused, not ignored.

use std::path::PathBuf;

use crate::config::reading::value::shown;
use crate::credentials::TokenAddress;

/// What a PKCS#11 URI says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenUri {
    /// Which token, and which key in it.
    pub address: TokenAddress,
    /// `pin-source`, a file.
    pub pin_source: Option<PathBuf>,
}

/// Reads a URI such as `pkcs11:token=countersign;object=main?pin-source=file:/etc/countersign/pin`.
///
/// # Errors
/// What is wrong with it and what to write instead. A PIN in it is not shown.
pub fn parse(text: &str) -> Result<TokenUri, String> {
    let rest = text.strip_prefix("pkcs11:").ok_or_else(|| {
        "is not a PKCS#11 URI (RFC 7512): write pkcs11:token=LABEL;object=LABEL, values percent-encoded".to_owned()
    })?;
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let mut uri = TokenUri::default();
    for attribute in path.split(';').filter(|attribute| !attribute.is_empty()) {
        read_path_attribute(&mut uri.address, attribute)?;
    }
    for attribute in query.into_iter().flat_map(|query| query.split('&')) {
        read_query_attribute(&mut uri, attribute)?;
    }
    let TokenAddress { token, serial, slot, object, id, .. } = &uri.address;
    if object.is_none() && id.is_none() {
        return Err("does not say which key: add object=LABEL or id=%01".to_owned());
    }
    if token.is_none() && serial.is_none() && slot.is_none() {
        return Err("does not say which token: add token=LABEL or serial=NUMBER".to_owned());
    }
    Ok(uri)
}

fn read_path_attribute(address: &mut TokenAddress, attribute: &str) -> Result<(), String> {
    let (name, value) = split(attribute)?;
    let bytes = decode(name, value, b":[]@!$'()*+,=&")?;
    let text = || String::from_utf8(bytes.clone()).map_err(|_| format!("`{name}` is not UTF-8 when decoded"));
    match name {
        "token" => set(name, &mut address.token, text()?),
        "manufacturer" => set(name, &mut address.manufacturer, text()?),
        "model" => set(name, &mut address.model, text()?),
        "serial" => set(name, &mut address.serial, text()?),
        "object" => set(name, &mut address.object, text()?),
        "id" => set(name, &mut address.id, bytes),
        "slot-id" => {
            let number = text()?.parse().map_err(|_| "`slot-id` is not a number".to_owned())?;
            set(name, &mut address.slot, number)
        }
        // the only type that computes a MAC
        "type" if value == "secret-key" => Ok(()),
        "type" => Err("`type` is not \"secret-key\", the only type of key that computes a MAC".to_owned()),
        "library-manufacturer"
        | "library-description"
        | "library-version"
        | "slot-manufacturer"
        | "slot-description" => {
            Err(format!("`{name}` is not looked at: remove it (`module` says which library is loaded)"))
        }
        "pin-value" | "pin-source" | "module-path" | "module-name" => {
            Err(format!("`{name}` stands behind a `;`, and belongs behind a `?`"))
        }
        _ => Err(format!("has an attribute that is not known here: {}", shown(name))),
    }
}

fn read_query_attribute(uri: &mut TokenUri, attribute: &str) -> Result<(), String> {
    let (name, value) = split(attribute)?;
    match name {
        "pin-source" => {
            let path = decode(name, value, b":[]@!$'()*+,=/?|")?;
            let path = String::from_utf8(path).map_err(|_| "`pin-source` is not UTF-8 when decoded".to_owned())?;
            let file = path.strip_prefix("file://").or_else(|| path.strip_prefix("file:"));
            let file = file.filter(|file| file.starts_with('/'));
            let file = file.ok_or("`pin-source` is not a file: write pin-source=file:/path/of/the/pin".to_owned())?;
            set(name, &mut uri.pin_source, PathBuf::from(file))
        }
        "pin-value" => {
            Err("has the PIN in it (`pin-value`), and secrets never go into the configuration: put the PIN in \
                            a file of its own and name that with `pin_file`"
                .to_owned())
        }
        "module-path" | "module-name" => Err(format!("`{name}` is not looked at: name the library with `module`")),
        _ => Err(format!("has an attribute behind `?` that is not known here: {}", shown(name))),
    }
}

fn split(attribute: &str) -> Result<(&str, &str), String> {
    attribute.split_once('=').ok_or_else(|| format!("has a part without `=`: {}", shown(attribute)))
}

fn set<T>(name: &str, place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("says `{name}` twice")),
    }
}

/// Decodes percent escapes; what stands there as it is must be unreserved (RFC 3986 section 2.3) or one of `also`.
fn decode(name: &str, value: &str, also: &[u8]) -> Result<Vec<u8>, String> {
    let mut decoded = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            let value =
                digit(rest.next()).zip(digit(rest.next())).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
            decoded.push(value.ok_or_else(|| format!("`{name}` has a `%` without two hexadecimal digits"))?);
        } else if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte) {
            decoded.push(byte);
        } else {
            let character = if byte == b' ' { "a space".to_owned() } else { format!("a byte {byte:#04x}") };
            return Err(format!("`{name}` has {character} in it: write it as %{byte:02X}"));
        }
    }
    if decoded.is_empty() { Err(format!("`{name}` is empty")) } else { Ok(decoded) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        parse(text).unwrap_err()
    }

    #[test]
    fn the_attributes_of_token_and_key_are_read() {
        let uri = parse(
            "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;serial=4a;\
             slot-id=3;object=my-key%C3%A9;type=secret-key;id=%69%00%ff?pin-source=file:/etc/token_pin",
        );
        let address = TokenAddress {
            token: Some("The Software PKCS#11 Softtoken".into()),
            manufacturer: Some("Snake Oil, Inc.".into()),
            model: Some("1.0".into()),
            serial: Some("4a".into()),
            slot: Some(3),
            object: Some("my-keyé".into()),
            id: Some(vec![b'i', 0, 0xff]),
        };
        let expected = TokenUri { address, pin_source: Some("/etc/token_pin".into()) };
        assert_eq!(uri, Ok(expected));
        assert!(parse("pkcs11:serial=1;id=%01?pin-source=file:///etc/pin").is_ok());
    }

    #[test]
    fn whatever_would_not_be_looked_at_is_refused() {
        for (text, part) in [
            ("token=a;object=b", "is not a PKCS#11 URI"),
            ("pkcs11:token=a", "which key"),
            ("pkcs11:object=a;manufacturer=b", "which token"),
            ("pkcs11:token=a;object=b;object=c", "`object` twice"),
            ("pkcs11:token=a;object=b;type=private", "secret-key"),
            ("pkcs11:token=a;object=b;library-version=3", "is not looked at"),
            ("pkcs11:token=a;object=b;x-vendor=3", "`x-vendor`"),
            ("pkcs11:token=a;object=b;flag", "without `=`"),
            ("pkcs11:token=a;object=b?module-path=/usr/lib/x.so", "with `module`"),
            ("pkcs11:token=a;object=b?max-tries=3", "`max-tries`"),
            ("pkcs11:token=a;object=b?pin-source=|/bin/pin", "is not a file"),
            ("pkcs11:token=a;object=b?pin-source=file:pin", "is not a file"),
            ("pkcs11:token=a b;object=c", "has a space in it: write it as %20"),
            ("pkcs11:token=a/b;object=c", "write it as %2F"),
            ("pkcs11:token=%4;object=c", "two hexadecimal digits"),
            ("pkcs11:token=%ff;object=c", "is not UTF-8"),
            ("pkcs11:token=;object=c", "is empty"),
            ("pkcs11:slot-id=x;object=c", "not a number"),
        ] {
            assert!(fault(text).contains(part), "{text}: {}", fault(text));
        }
    }

    #[test]
    fn a_pin_in_the_uri_is_refused_and_not_shown() {
        for text in ["pkcs11:token=a;object=b?pin-value=marker", "pkcs11:token=a;object=b;pin-value=marker"] {
            assert!(fault(text).contains("pin-value") && !fault(text).contains("marker"), "{}", fault(text));
        }
    }
}

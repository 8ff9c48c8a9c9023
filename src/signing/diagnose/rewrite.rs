//! Writes a form's parameters as a careless signer would: in another encoding, in another order.

use super::cause::Order;
use super::encoding::Encoding;

/// One parameter as it was sent.
pub(super) struct SentParameter<'a> {
    name: String,
    value: String,
    raw: &'a [u8],
}

/// The parameters of a form but `Signature`, in the order in which they were sent.
pub(super) fn sent_parameters(form: &[u8]) -> Vec<SentParameter<'_>> {
    let pieces = form.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty());
    pieces
        .flat_map(|raw| {
            form_urlencoded::parse(raw)
                .into_owned()
                .filter(|(name, _)| name != "Signature")
                .map(move |(name, value)| SentParameter { name, value, raw })
        })
        .collect()
}

/// One parameter in some encoding, with what the orders sort by.
pub(super) struct Rewritten<'a> {
    name: &'a str,
    encoded_name: String,
    pair: Vec<u8>,
}

impl<'a> Rewritten<'a> {
    /// `None` is the right encoding.
    pub(super) fn new(sent: &'a SentParameter<'_>, encoding: Option<Encoding>) -> Self {
        // EqualsLeftOut encodes names and values correctly, which is what `None` needs
        let [name, value] =
            [&sent.name, &sent.value].map(|text| encoding.unwrap_or(Encoding::EqualsLeftOut).write(text));
        let pair = match encoding {
            Some(Encoding::AsSent) => sent.raw.to_vec(),
            Some(Encoding::EqualsLeftOut) if value.is_empty() => name.clone().into_bytes(),
            Some(_) | None => format!("{name}={value}").into_bytes(),
        };
        Self { name: &sent.name, encoded_name: name, pair }
    }
}

/// The query string in some order. `None` is the right order.
pub(super) fn join(written: &[Rewritten<'_>], order: Option<Order>) -> Vec<u8> {
    let mut sorted: Vec<&Rewritten<'_>> = written.iter().collect();
    match order {
        None => sorted.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes())),
        Some(Order::CaseInsensitive) => sorted.sort_by_cached_key(|one| one.name.to_lowercase()),
        Some(Order::EncodedNames) => sorted.sort_by(|a, b| a.encoded_name.cmp(&b.encoded_name)),
        Some(Order::WholePairs) => sorted.sort_by(|a, b| a.pair.cmp(&b.pair)),
        Some(Order::AsSent) => {}
    }
    let pairs: Vec<&[u8]> = sorted.into_iter().map(|one| one.pair.as_slice()).collect();
    pairs.join(b"&".as_slice())
}

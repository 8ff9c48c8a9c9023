//! What was answered, by options or at the terminal: complete, and as far as one answer alone can be judged, right.

use std::path::{Path, PathBuf};

use super::{Arguments, Callers, KeyKind, aws_endpoint};
use crate::cli::exit::{ExitCode, Failure};
use crate::config::settings::Name;
use crate::guarded_file::directory_of;
use crate::signing::Dialect;

/// Where clients connect by default.
pub(super) const LISTEN: &str = "127.0.0.1:8021";

/// Everything that the configuration says.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) out: PathBuf,
    pub(super) route: Name,
    pub(super) endpoint: String,
    pub(super) dialect: Dialect,
    /// The region and the service to sign for, where the dialect has them.
    pub(super) scope: Option<(String, String)>,
    pub(super) key: Key,
    pub(super) callers: Caller,
    pub(super) listen: String,
}

/// How the key is kept. Paths are as they are written: a relative one begins beside the configuration.
#[derive(Debug)]
pub(super) enum Key {
    Sealed { file: PathBuf, identity: PathBuf },
    File(PathBuf),
    Process(Vec<String>),
    Aws(String),
}

/// Who may call.
#[derive(Debug)]
pub(super) enum Caller {
    AnyLocal,
    Uid(u32),
    Token,
    Certificate(String),
}

impl Answers {
    /// From complete options.
    ///
    /// # Errors
    /// 65 with the option that is missing or wrong.
    pub(super) fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let (endpoint, dialect, scope) = endpoint(arguments)?;
        let listen = arguments.listen.clone().unwrap_or_else(|| LISTEN.to_owned());
        let route = arguments.route.clone().or_else(|| Some(arguments.service.as_ref()?.to_ascii_lowercase()));
        let route = route.unwrap_or_else(|| "main".to_owned());
        let route = Name::parse(&route)
            .ok_or_else(|| wrong("--route is not a name: 1 to 64 of a-z, 0-9, `_` and `-`, and no `__`"))?;
        let callers = callers(arguments)?;
        if matches!(callers, Caller::Certificate(_)) && listen.starts_with("unix:") {
            return Err(wrong(
                "--callers mtls is for TCP: a Unix socket has no TLS, and knows the user by --callers uid",
            ));
        }
        Ok(Self { out: arguments.out.clone(), route, endpoint, dialect, scope, key: key(arguments)?, callers, listen })
    }

    /// The path of a file beside the configuration.
    pub(super) fn beside(&self, name: impl AsRef<Path>) -> PathBuf {
        match directory_of(&self.out) {
            here if here == Path::new(".") => name.as_ref().to_owned(),
            directory => directory.join(name),
        }
    }
}

type Target = (String, Dialect, Option<(String, String)>);

fn endpoint(arguments: &Arguments) -> Result<Target, Failure> {
    let Arguments { endpoint, service, region, dialect, .. } = arguments;
    match (endpoint, service, region) {
        (Some(url), service, region) => {
            let signs_for = service.as_ref().zip(region.as_ref()).map(|(s, r)| (r.clone(), s.clone()));
            let assumed = if signs_for.is_some() { Dialect::AwsV4 } else { Dialect::AwsV2 };
            let dialect = dialect.unwrap_or(assumed);
            if dialect != Dialect::AwsV4 && (service.is_some() || region.is_some()) {
                return Err(wrong("--region and --service say what to sign for, which only --dialect aws-v4 does"));
            }
            let scope = if dialect == Dialect::AwsV4 {
                let missing = "with --dialect aws-v4, say what to sign for: --region and --service";
                Some(signs_for.ok_or_else(|| wrong(missing))?)
            } else {
                None
            };
            Ok((url.clone(), dialect, scope))
        }
        (None, Some(service), region) => {
            let found = aws_endpoint::endpoint(service, region.as_deref()).map_err(|message| wrong(&message))?;
            let dialect = dialect.unwrap_or(found.dialect);
            let scope = (dialect == Dialect::AwsV4).then_some((found.region, found.service));
            Ok((found.url, dialect, scope))
        }
        (None, None, _) => {
            Err(wrong("say which endpoint is called: --endpoint URL, or --service NAME with --region REGION"))
        }
    }
}

fn key(arguments: &Arguments) -> Result<Key, Failure> {
    let Arguments { key, key_file, identity_file, key_command, key_source, .. } = arguments;
    let kind = key.unwrap_or(match (key_command, key_source) {
        (Some(_), _) => KeyKind::Process,
        (None, Some(_)) => KeyKind::Aws,
        (None, None) => KeyKind::Sealed,
    });
    let unused = |option: &str, given: bool, fits: bool| {
        if given && !fits { Err(wrong(&format!("{option} is of no use with this --key"))) } else { Ok(()) }
    };
    unused("--key-file", key_file.is_some(), matches!(kind, KeyKind::Sealed | KeyKind::File))?;
    unused("--identity-file", identity_file.is_some(), kind == KeyKind::Sealed)?;
    unused("--key-command", key_command.is_some(), kind == KeyKind::Process)?;
    unused("--key-source", key_source.is_some(), kind == KeyKind::Aws)?;
    let file = |name: &str| key_file.clone().unwrap_or_else(|| PathBuf::from(name));
    Ok(match kind {
        KeyKind::Sealed => Key::Sealed {
            file: file("main.age"),
            identity: identity_file.clone().unwrap_or_else(|| PathBuf::from("identity")),
        },
        KeyKind::File => Key::File(file("main.json")),
        KeyKind::Process => {
            let command = key_command.as_deref().unwrap_or_default();
            let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
            if words.is_empty() {
                return Err(wrong(
                    "with --key process, say which program prints the key: --key-command '/path ARGUMENT'",
                ));
            }
            Key::Process(words)
        }
        KeyKind::Aws => Key::Aws(key_source.clone().unwrap_or_else(|| "default".to_owned())),
    })
}

fn callers(arguments: &Arguments) -> Result<Caller, Failure> {
    let Arguments { callers, uid, dns, .. } = arguments;
    let kind = callers.unwrap_or(match (uid, dns) {
        (Some(_), _) => Callers::Uid,
        (None, Some(_)) => Callers::Mtls,
        (None, None) => Callers::AnyLocal,
    });
    if uid.is_some() && kind != Callers::Uid {
        return Err(wrong("--uid goes with --callers uid"));
    }
    if dns.is_some() && kind != Callers::Mtls {
        return Err(wrong("--dns goes with --callers mtls"));
    }
    match (kind, uid, dns) {
        (Callers::AnyLocal, _, _) => Ok(Caller::AnyLocal),
        (Callers::Token, _, _) => Ok(Caller::Token),
        (Callers::Uid, Some(uid), _) => Ok(Caller::Uid(*uid)),
        (Callers::Uid, None, _) => Err(wrong("say which user may call: --uid UID, as `id -u NAME` prints it")),
        (Callers::Mtls, _, Some(dns)) => Ok(Caller::Certificate(dns.clone())),
        (Callers::Mtls, _, None) => Err(wrong("say which name the client's certificate has: --dns NAME")),
    }
}

fn wrong(message: &str) -> Failure {
    Failure::new(ExitCode::Data, message)
}

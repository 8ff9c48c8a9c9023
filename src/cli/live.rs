//! What several commands do with a configuration: read it, build its graph, sign. Failures have the right exit code.

use std::path::{Path, PathBuf};

use super::config_file::{ConfigFile, Found};
use super::exit::{ExitCode, Failure, FaultLine};
use crate::app::confinement::kept_access::KeptAccess;
use crate::app::reload::source::ServedText;
use crate::app::serve::remedy::Remedy;
use crate::app::{self, StartError, capacity};
use crate::clock;
use crate::config::settings::Settings;
use crate::config::{self, ConfigError, StrayVariable};
use crate::confine::{self, Confinement, Posture, UnixSockets};
use crate::credentials::{ActiveKey, KeyUse, Mac, WatchedKey};
use crate::telemetry::log::{self, LastLines};

/// A configuration that was read, and what was noticed beside it.
pub(crate) struct Read {
    /// The variables that look like ours and set nothing.
    pub(crate) strays: Vec<StrayVariable>,
    /// The names of the files that were read.
    pub(crate) files: Vec<String>,
    /// What stands in `conf.d/` and was not read.
    pub(crate) ignored: Vec<String>,
    /// The settings, with the digests of the files' text.
    pub(crate) settings: Result<(Settings, ServedText), Failure>,
}

/// Reads the configuration once, because the file may be a pipe: the file, if one was found, and the environment.
pub(crate) fn read(found: &Found) -> Read {
    let unusable = |error: &ConfigError| configuration_failure(found, error);
    let environment = config::process_environment();
    match config::Text::read(found.path(), config::writable_configuration(&environment)) {
        Err(error) => {
            let settings = Err(unusable(&error));
            Read { strays: Vec::new(), files: Vec::new(), ignored: Vec::new(), settings }
        }
        Ok(text) => {
            let strays = text.strays(&environment);
            let settings = text.settings(environment).map_err(|error| unusable(&error));
            if let Ok(settings) = &settings {
                settings.process.writable_files.enforce();
            }
            let files = text.names().into_iter().map(str::to_owned).collect();
            let served = ServedText { sha256: text.sha256(), files: text.digests() };
            let settings = settings.map(|settings| (settings, served));
            Read { strays, files, ignored: text.ignored().to_vec(), settings }
        }
    }
}

/// The same without what was noticed beside it.
///
/// # Errors
/// 78 with every fault; 77 when others can write the file.
pub(crate) fn settings(config: &ConfigFile) -> Result<Settings, Failure> {
    read(&config.find()?).settings.map(|(settings, _)| settings)
}

fn configuration_failure(found: &Found, error: &ConfigError) -> Failure {
    let code = if error.is_permissions() { ExitCode::Permissions } else { ExitCode::Configuration };
    let faults = error.faults().iter().map(|fault| FaultLine {
        place: Some(fault.place.to_string()),
        path: Some(fault.path.clone()).filter(|path| !path.is_empty()),
        message: fault.message.clone(),
    });
    Failure::new(code, format!("the configuration cannot be used{}\n{error}", found.hint())).with(faults.collect())
}

/// Sets up the log. The returned value has to be kept until the process ends.
///
/// # Errors
/// 78 when the level is not a valid filter.
pub(crate) fn initialise_log(settings: &Settings) -> Result<LastLines, Failure> {
    log::initialise(settings.log.format, &settings.log.level, clock::at)
        .map_err(|error| Failure::because(ExitCode::Configuration, &error))
}

/// Raises the limit of descriptors, as far as this process may. To be called before it is confined.
///
/// # Errors
/// 71 when there are too few to serve any client.
pub(crate) fn claim_descriptors(settings: &Settings) -> Result<(), Failure> {
    capacity::raise_descriptors();
    capacity::check_descriptors(settings).map_err(|error| Failure::because(ExitCode::System, &error))
}

/// systemd's directory of credentials, if there is one.
pub(crate) fn credentials_directory() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty())
}

/// The rights that the process needs while it serves.
pub(crate) fn confinement(settings: &Settings, file: Option<&Path>, keys: &[WatchedKey]) -> Confinement {
    // An address that begins with @ is abstract. Without the right to send to it, the service manager would never learn
    // that we are ready.
    let notify = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
    let service_manager = match notify.as_encoded_bytes().first() {
        Some(b'@') => UnixSockets::ToAnyAddress,
        Some(_) => UnixSockets::ToPaths,
        None => UnixSockets::Deny,
    };
    app::confinement::confinement(settings, file, keys, service_manager)
}

/// Confines the process as `confinement` says, which [`confinement()`] made of the other arguments. This cannot be
/// undone.
///
/// # Errors
/// 77 when a file that is opened again later could then be opened no more, 71 when the process cannot be confined.
pub(crate) fn confine(
    confinement: &Confinement,
    settings: &Settings,
    file: Option<&Path>,
    keys: &[WatchedKey],
) -> Result<Posture, Failure> {
    let access = KeptAccess::of(settings, file, keys);
    // `apply` says what came of it
    let _enforced = confine::give_up_capabilities();
    let lost = access.lost();
    if !lost.is_empty() {
        let messages: Vec<_> = lost.iter().map(ToString::to_string).collect();
        return Err(Failure::new(ExitCode::Permissions, messages.join("\n")));
    }
    confine::apply(confinement).map_err(|error| Failure::because(ExitCode::System, &error))
}

/// Why a start cannot open the audit, bind an address or start a thread: 77 when owners or permissions are the reason,
/// 78 when the configuration is, otherwise 71.
pub(crate) fn start_failure(error: &StartError) -> Failure {
    let code = match error.remedy() {
        Remedy::Permit => ExitCode::Permissions,
        Remedy::Configure => ExitCode::Configuration,
        Remedy::Retry => ExitCode::System,
    };
    Failure::because(code, error)
}

/// Signs one message, in a command that has no runtime. Waits as long as the key's signer may take.
///
/// # Errors
/// 69 when the key's signer does not sign.
pub(crate) fn mac(key: &ActiveKey, with: &KeyUse, message: &[u8]) -> Result<Mac, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| Failure::because(ExitCode::System, &error))?;
    let mac = runtime.block_on(key.mac(with, message));
    mac.map_err(|error| Failure::because(ExitCode::KeyStoreUnavailable, &error))
}

//! A PKCS#11 library, loaded and initialised, and the tokens it has.

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as CryptokiError, RvError};
use cryptoki::slot::{Slot, TokenInfo};

use super::error::{TokenError, call};
use crate::credentials::stores::token_location::TokenAddress;
use crate::guarded_file;

/// Loads the library for the life of the process: many libraries cannot be unloaded.
///
/// # Errors
/// [`TokenError::Module`] and [`TokenError::GuardedModule`].
pub(super) fn load(module: &Path) -> Result<Pkcs11, TokenError> {
    let failed = |said: CryptokiError| TokenError::Module { module: module.to_owned(), source: said.into() };
    guarded_file::check_trusted(module).map_err(TokenError::GuardedModule)?;
    let context = Pkcs11::new(module).map_err(failed)?;
    initialize(&context).map_err(failed)?;
    Ok(context)
}

/// Initialises the library, unless it is initialised already.
pub(super) fn initialize(context: &Pkcs11) -> Result<(), CryptokiError> {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(CryptokiError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The only token that an address matches.
pub(super) fn find_token(context: &Pkcs11, address: &TokenAddress) -> Result<(Slot, TokenInfo), TokenError> {
    let slots = context.get_slots_with_token().map_err(call("the tokens cannot be listed"))?;
    let present = slots.len();
    // an error with one token matters only if no other one matches
    let tokens = slots.into_iter().filter_map(|slot| context.get_token_info(slot).ok().map(|info| (slot, info)));
    let mut found: Vec<_> = tokens.filter(|(slot, info)| is_meant(address, *slot, info)).collect();
    let token = || address.token_in_words();
    match (found.pop(), found.len()) {
        (None, _) => Err(TokenError::NoToken { token: token(), present }),
        (Some(one), 0) => Ok(one),
        (Some(_), others) => Err(TokenError::ManyTokens { token: token(), count: others.saturating_add(1) }),
    }
}

fn is_meant(address: &TokenAddress, slot: Slot, info: &TokenInfo) -> bool {
    let agrees = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
    info.token_initialized()
        && agrees(&address.token, info.label())
        && agrees(&address.manufacturer, info.manufacturer_id())
        && agrees(&address.model, info.model())
        && agrees(&address.serial, info.serial_number())
        && address.slot.is_none_or(|wanted| wanted == slot.id())
}

//! Makes the store that an agent was ordered to be.

use super::plugin::PluginKey;
use super::process::Program;
use crate::credentials::agent::{Fetch, Order, OrderError};
use crate::credentials::store_kind::StoreKind;

/// Makes the store that is ordered.
///
/// # Errors
/// [`OrderError`]: a store without an agent, or one that this build does not have, or settings of another store.
pub fn ordered(order: Order) -> Result<Box<dyn Fetch>, OrderError> {
    Ok(match order.kind() {
        StoreKind::Sealed => Box::new(order.settings::<PluginKey>()?),
        StoreKind::Process => Box::new(order.settings::<Program>()?),
        #[cfg(feature = "aws")]
        StoreKind::Aws => Box::new(order.settings::<super::aws::AwsKey>()?),
        #[cfg(feature = "pkcs11")]
        StoreKind::Pkcs11 => Box::new(super::pkcs11::TokenAgent::new(order.settings()?)),
        StoreKind::File => return Err(OrderError::NoAgent(StoreKind::File)),
        #[cfg(not(feature = "aws"))]
        StoreKind::Aws => return Err(OrderError::NoAgent(StoreKind::Aws)),
        #[cfg(not(feature = "pkcs11"))]
        StoreKind::Pkcs11 => return Err(OrderError::NoAgent(StoreKind::Pkcs11)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::store_kind::AgentUse;

    /// Settings of a store of each kind that runs in an agent.
    fn settings(kind: StoreKind) -> Option<serde_json::Value> {
        let second = serde_json::json!({"secs": 1, "nanos": 0});
        match kind {
            StoreKind::Sealed => Some(serde_json::json!({"file": "/key", "identity": "/id", "timeout": second})),
            StoreKind::File => None, // not applicable: it is read in our own process
            StoreKind::Process => {
                let arguments: [&str; 0] = [];
                Some(serde_json::json!({"path": "/a", "arguments": arguments, "timeout": second, "refresh": second}))
            }
            StoreKind::Aws => Some(serde_json::json!({
                "source": "Default", "profile": null, "role": null, "region": null, "timeout": second, "refresh": second
            })),
            StoreKind::Pkcs11 => Some(serde_json::json!({
                "module": "/lib.so",
                "address": {"token": "t", "manufacturer": null, "model": null, "serial": null, "slot": null,
                            "object": "k", "id": null},
                "pin": "/pin", "sessions": 1, "max_message": 1000, "readable": "Refuse"
            })),
        }
    }

    #[test]
    fn every_kind_of_store_is_made_in_an_agent_or_needs_none() {
        for kind in StoreKind::ALL {
            let built = match kind.feature() {
                None => true,
                Some("aws") => cfg!(feature = "aws"),
                Some("pkcs11") => cfg!(feature = "pkcs11"),
                Some(feature) => panic!("{feature}"),
            };
            let settings = settings(kind);
            assert_eq!(settings.is_none(), kind.agent() == AgentUse::NotApplicable, "{kind}");
            let made = ordered(Order::new(kind, &settings).unwrap());
            assert_eq!(made.is_ok(), built && settings.is_some(), "{kind}: {:?}", made.err());
        }
    }

    #[test]
    fn settings_of_another_store_are_refused() {
        let order = Order::new(StoreKind::Process, &settings(StoreKind::Sealed)).unwrap();
        assert!(ordered(order).is_err());
    }
}

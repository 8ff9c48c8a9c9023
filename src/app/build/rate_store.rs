//! The store of rates that replicas share, as `[rates]` says, with its files looked at.

use std::sync::{Arc, Mutex, PoisonError};

use super::error::BuildError;
use crate::authorize::{Client, Clients};
use crate::config::settings::{self, Rates, Settings, Transport};
use crate::rates::{
    ClientRates, Health, Inbox, SharedLimits, SharedRate, Sharing, StoreAddress, StoreFault, StoreLocation,
    StoreServer, StoreTls, WhenUnavailable,
};
use crate::upstream::NextHop;

/// The clients that share their rates, and the store that counts for them.
#[derive(Default)]
pub(crate) struct RateStore {
    /// Without a store, none.
    pub(crate) clients: Arc<ClientRates>,
    pub(crate) store: Option<Arc<SharedStore>>,
}

impl RateStore {
    /// Why the clients' rates are not shared at the moment, if they are not.
    pub(crate) fn away(&self) -> Option<String> {
        let sharing = &self.store.as_ref()?.sharing;
        let meanwhile = match sharing.settings().when_unavailable {
            WhenUnavailable::Local => "this replica applies the rates of clients alone",
            WhenUnavailable::Refuse => "calls of clients with a rate or a quota are refused",
        };
        let is_away = sharing.state().health() == Health::Away;
        is_away.then(|| format!("rates: the store cannot be asked: {meanwhile}"))
    }
}

impl RateStore {
    /// The calls of the day of `unix_seconds` that count against the client's quota: of all replicas where they share
    /// it and the store has told, else of this process. `None` without a quota.
    pub(crate) fn used(&self, client: &Client, unix_seconds: i64) -> Option<u64> {
        let own = client.quota.as_ref()?.used(unix_seconds);
        let shared = self.clients.of(client.index).and_then(|shared| shared.used());
        Some(shared.map_or(own, |shared| shared.max(own)))
    }
}

/// What lives as long as the process: a reload changes nothing about the store.
pub(crate) struct SharedStore {
    pub(crate) server: StoreServer,
    pub(crate) sharing: Sharing,
    /// `None` once the thread has taken it.
    inbox: Mutex<Option<Inbox>>,
}

impl SharedStore {
    fn new(server: StoreServer, rates: &Rates) -> Self {
        let (sharing, inbox) = Sharing::new(rates.sharing.clone());
        Self { server, sharing, inbox: Mutex::new(Some(inbox)) }
    }

    /// The questions to the store, for its thread. There is one.
    pub(crate) fn take_inbox(&self) -> Option<Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The store, and the clients with limits.
pub(super) fn rate_store(
    settings: &Settings,
    before: Option<(&RateStore, &Clients)>,
    errors: &mut Vec<BuildError>,
) -> RateStore {
    let Some(rates) = &settings.rates else { return RateStore::default() };
    let known = before.and_then(|(before, _)| before.store.clone());
    let store = match known.map_or_else(|| server(rates, StoreServer::new).map(Arc::new), Ok) {
        Ok(store) => store,
        Err(error) => {
            errors.push(error);
            return RateStore::default();
        }
    };
    let client = |client: &settings::Client| {
        let limits = limits(client)?;
        let number = before.and_then(|(_, clients)| clients.named(client.name.as_str())).map(|client| client.index);
        let known = before.zip(number).and_then(|((before, _), number)| before.clients.of(number));
        Some(store.sharing.client(client.name.as_str(), limits, known))
    };
    let clients = settings.clients.iter().map(client).collect();
    RateStore { clients: Arc::new(ClientRates::new(clients)), store: Some(store) }
}

fn limits(client: &settings::Client) -> Option<SharedLimits> {
    let rate = client.rate.map(|rate| SharedRate { calls: rate.calls, period: rate.period, burst: rate.burst });
    (rate.is_some() || client.quota.is_some()).then_some(SharedLimits { rate, quota: client.quota })
}

fn server(
    rates: &Rates,
    make: impl FnOnce(StoreLocation) -> Result<StoreServer, StoreFault>,
) -> Result<SharedStore, BuildError> {
    let failed = |source| BuildError::RateStore { url: rates.url(), source: Box::new(source) };
    make(location(rates)).map(|server| SharedStore::new(server, rates)).map_err(failed)
}

/// What is wrong with the store's configuration, as far as can be seen without opening a secret.
pub(super) fn fault_without_secrets(settings: &Settings) -> Option<BuildError> {
    let rates = settings.rates.as_ref()?;
    server(rates, StoreServer::without_looking_at_secrets).err()
}

fn location(rates: &Rates) -> StoreLocation {
    let Rates { endpoint, user, password_file, database, sharing: _ } = rates;
    StoreLocation {
        address: match &endpoint.next_hop {
            NextHop::Tcp { host, port } => StoreAddress::Tcp(host.clone(), *port),
            NextHop::Unix(path) => StoreAddress::Unix(path.clone()),
        },
        tls: match &endpoint.transport {
            Transport::Tls { trust, client } => {
                Some(StoreTls { roots: trust.clone(), host: endpoint.bare_host().to_owned(), client: client.clone() })
            }
            Transport::Plaintext => None,
        },
        user: user.clone(),
        password_file: password_file.clone(),
        database: *database,
    }
}

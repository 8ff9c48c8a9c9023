//! Who has shares of the limits, how large they are, and the counters of each.
//!
//! A holder is a client, or all users of all listeners with `any_local = true`: these cannot be distinguished, and one
//! program may use several such listeners, so they have one share together. Without a setting, a share is half of the
//! limit where two or more holders can call, and all of it where only one can.
//!
//! Strangers on listeners that accept issued keys have a share of the memory for forms: a form must be read before its
//! signature can be. They are no holder of anything else, and leave the shares of the others as they are.

use super::span_places::SpanPlaces;
use crate::authorize::{Admission, ClientIdentity, Effect, Method, Mode};
use crate::config::settings::{Client, Listener, Name, Route, Settings, Share};
use crate::downstream::{ByteBudget, Capacity, Shares};

/// Who can have a share.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder<'s> {
    /// A client.
    Client(&'s Client),
    /// All users of all listeners with `any_local = true`.
    AnyLocal,
    /// Whoever sends a form to a listener that accepts issued keys, before its signature is verified.
    Strangers,
}

/// How much of the memory for forms strangers have, in percent.
const OF_STRANGERS: u8 = 10;

/// The name of a holder, by which a reload finds its counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HolderName {
    Client(Name),
    AnyLocal,
    Strangers,
}

impl HolderName {
    /// The name under which the holder's exchanges are counted. Strangers are not told apart.
    pub(crate) fn caller(&self) -> Option<&str> {
        match self {
            Self::Client(name) => Some(name.as_str()),
            Self::AnyLocal => Some(ClientIdentity::AnyLocal.name()),
            Self::Strangers => None,
        }
    }
}

/// The part of one limit that each holder may take, in the order of [`holders`]; `None` for a holder that cannot call.
pub(crate) type Parts = Vec<Option<usize>>;

/// All holders. The number of a holder is its position: clients first, in the order of `settings.clients`.
pub(crate) fn holders(settings: &Settings) -> Vec<Holder<'_>> {
    let any_local = any_local_listeners(settings).next().map(|_| Holder::AnyLocal);
    let issued = |listener: &&Listener| listener.callers.accepts(Method::IssuedKey);
    let strangers = settings.listeners.iter().find(issued).map(|_| Holder::Strangers);
    settings.clients.iter().map(Holder::Client).chain(any_local).chain(strangers).collect()
}

/// The listeners whose users are [`Holder::AnyLocal`].
pub(crate) fn any_local_listeners(settings: &Settings) -> impl Iterator<Item = &Listener> {
    settings.listeners.iter().filter(|listener| listener.callers == Admission::AnyLocal)
}

/// Parts of the `in_flight` of `route`. A holder counts if a listener of the route admits it and its rules allow at
/// least one Action of the route, because a place is taken after the policy has allowed the call.
pub(crate) fn in_flight(settings: &Settings, holders: &[Holder<'_>], route: &Route) -> Parts {
    parts(route.limits.in_flight, holders, |holder| {
        let served = settings.listeners.iter().filter(|listener| listener.routes.include(&route.name));
        served.into_iter().any(|listener| holder.may_connect(listener)) && holder.may_call(&route.name)
    })
}

/// Parts of `limit` connections of `listener`.
pub(crate) fn connections(holders: &[Holder<'_>], listener: &Listener, limit: usize) -> Parts {
    parts(limit, holders, |holder| holder.may_connect(listener))
}

/// Parts of `process.bodies`. Bodies are read before the policy decides, so every holder that a listener admits counts.
/// A part has room for the largest form that its holder may send.
pub(crate) fn bodies(settings: &Settings, holders: &[Holder<'_>]) -> Parts {
    let all = settings.process.bodies;
    let strangers = part(all, Some(Share::Percent(OF_STRANGERS)), 0);
    let raised = |(part, holder): (Option<usize>, &Holder<'_>)| {
        let part = match holder {
            Holder::Strangers => Some(strangers),
            Holder::Client(_) | Holder::AnyLocal => part,
        };
        part.map(|part| part.max(largest_form(settings, holder)).min(all))
    };
    bodies_by_share(settings, holders).into_iter().zip(holders).map(raised).collect()
}

/// The same, before a part is raised to one form.
pub(crate) fn bodies_by_share(settings: &Settings, holders: &[Holder<'_>]) -> Parts {
    of_everything(settings, holders, settings.process.bodies)
}

/// The largest form that `holder` may send: of the routes of all listeners that admit it.
pub(crate) fn largest_form(settings: &Settings, holder: &Holder<'_>) -> usize {
    let listeners = settings.listeners.iter().filter(|listener| match holder {
        Holder::Strangers => listener.callers.accepts(Method::IssuedKey),
        Holder::Client(_) | Holder::AnyLocal => holder.may_connect(listener),
    });
    let routes = listeners.flat_map(|listener| {
        settings.routes.iter().filter(|route| listener.routes.include(&route.name)).map(|route| route.limits.body)
    });
    routes.max().unwrap_or_default()
}

/// Parts of a limit of the whole process. A number of places applies to a route or listener, not to such a limit: a
/// holder with a number gets the default part.
fn of_everything(settings: &Settings, holders: &[Holder<'_>], limit: usize) -> Parts {
    let comes = |holder: &Holder<'_>| settings.listeners.iter().any(|listener| holder.may_connect(listener));
    let number = holders.iter().filter(|holder| comes(holder)).count();
    let part = |holder: &Holder<'_>| {
        let share = match holder.share() {
            Some(Share::Percent(percent)) => Some(Share::Percent(percent)),
            Some(Share::Places(_)) | None => None,
        };
        comes(holder).then(|| part(limit, share, number))
    };
    holders.iter().map(part).collect()
}

fn parts(limit: usize, holders: &[Holder<'_>], comes: impl Fn(&Holder<'_>) -> bool) -> Parts {
    let number = holders.iter().filter(|holder| comes(holder)).count();
    holders.iter().map(|holder| comes(holder).then(|| part(limit, holder.share(), number))).collect()
}

/// The part of a limit that one of `holders` takes. Rounded up, so that a holder that can call has at least one place.
fn part(limit: usize, share: Option<Share>, holders: usize) -> usize {
    match share {
        Some(Share::Percent(percent)) => limit.saturating_mul(usize::from(percent)).div_ceil(100),
        Some(Share::Places(places)) => places.min(limit),
        None if holders > 1 => limit.div_ceil(2),
        None => limit,
    }
}

impl Holder<'_> {
    /// The name of this holder.
    pub(crate) fn name(&self) -> HolderName {
        match self {
            Self::Client(client) => HolderName::Client(client.name.clone()),
            Self::AnyLocal => HolderName::AnyLocal,
            Self::Strangers => HolderName::Strangers,
        }
    }

    const fn share(&self) -> Option<Share> {
        match self {
            Self::Client(client) => client.share,
            Self::AnyLocal | Self::Strangers => None,
        }
    }

    fn may_connect(&self, listener: &Listener) -> bool {
        match (self, &listener.callers) {
            (Self::AnyLocal, Admission::AnyLocal) => true,
            (Self::Client(client), Admission::Clients(methods)) => {
                methods.iter().any(|method| client.identifiers.include(*method))
            }
            (Self::AnyLocal, Admission::Clients(_)) | (Self::Client(_), Admission::AnyLocal) => false,
            // a connection is charged, and a place taken, only once the client is known
            (Self::Strangers, Admission::Clients(_) | Admission::AnyLocal) => false,
        }
    }

    /// Whether the rules can allow any call of the route at all.
    fn may_call(&self, route: &Name) -> bool {
        let Self::Client(client) = self else { return true };
        match client.mode {
            Mode::Record => true,
            Mode::Enforce => {
                let rules = client.rules.iter().filter(|rule| rule.effect == Effect::Allow);
                let mut patterns = client.allow.iter().chain(rules.flat_map(|rule| &rule.patterns));
                patterns.any(|pattern| pattern.route.matches(route.as_str()))
            }
        }
    }
}

/// Makes the counters of shares. The counters of holders of the graph before are kept.
pub(crate) struct Counters<'g> {
    pub(crate) settings: &'g Settings,
    pub(crate) holders: Vec<Holder<'g>>,
    /// The holders of the graph before.
    known: &'g [HolderName],
    /// Each holder's share of the places for client connections over all listeners.
    pub(crate) descriptors: Vec<Capacity>,
}

impl<'g> Counters<'g> {
    /// `known` are the holders of the graph before, with their shares of `descriptors`.
    pub(crate) fn new(
        settings: &'g Settings,
        descriptors: &Capacity,
        known: Option<(&'g [HolderName], &[Capacity])>,
    ) -> Self {
        let (known, before) = known.unwrap_or((&[], &[]));
        let mut counters = Self { settings, holders: holders(settings), known, descriptors: Vec::new() };
        let parts = of_everything(settings, &counters.holders, descriptors.limit());
        counters.descriptors = counters.each(parts, |at, limit| continued(at.and_then(|at| before.get(at)), limit));
        counters
    }

    /// The names of the holders and their shares of the descriptors, for the graph that follows.
    pub(crate) fn into_parts(self) -> (Vec<HolderName>, Vec<Capacity>) {
        (self.holders.iter().map(Holder::name).collect(), self.descriptors)
    }

    /// The shares of a route's `in_flight`.
    pub(crate) fn of_route(&self, route: &Route, all: Capacity, before: Option<&Shares<Capacity>>) -> Shares<Capacity> {
        let parts = in_flight(self.settings, &self.holders, route);
        let share = |at: Option<usize>, limit| continued(known(before, at), limit).within(&all);
        let shares = self.each(parts, share);
        Shares::new(all, shares)
    }

    /// The shares of the connections of a listener.
    pub(crate) fn of_listener(
        &self,
        listener: &Listener,
        all: Capacity,
        before: Option<&Shares<Capacity>>,
    ) -> Shares<Capacity> {
        let parts = connections(&self.holders, listener, all.limit());
        let shares = self.each(parts, |at, limit| continued(known(before, at), limit));
        let shares = shares.into_iter().zip(&self.descriptors).map(|(share, all)| share.within(all));
        Shares::new(all, shares.collect())
    }

    /// The shares of the memory for forms.
    pub(crate) fn of_bodies(&self, all: ByteBudget, before: Option<&Shares<ByteBudget>>) -> Shares<ByteBudget> {
        let share = |at: Option<usize>, limit| {
            let budget = known(before, at).map_or_else(|| ByteBudget::new(limit), |before| before.with_limit(limit));
            budget.within(&all)
        };
        let shares = self.each(bodies(self.settings, &self.holders), share);
        Shares::new(all, shares)
    }

    /// The shares of the queue of spans. Strangers, whose refusals are traced too, have a part of their own.
    pub(crate) fn of_spans(&self, queue: usize, before: Option<&SpanPlaces>) -> SpanPlaces {
        let all = before.map_or_else(|| Capacity::new(queue), |before| before.shares.all().clone());
        let shares = before.map(|before| &before.shares);
        let parts = of_everything(self.settings, &self.holders, queue);
        let parts = self.each(parts, |at, limit| continued(known(shares, at), limit).within(&all));
        let strangers = part(queue, Some(Share::Percent(OF_STRANGERS)), 0);
        let strangers = before.map_or_else(|| Capacity::new(strangers), |before| before.strangers.clone());
        SpanPlaces { strangers: strangers.within(&all), shares: Shares::new(all, parts) }
    }

    /// One counter for each holder, made from its number in the graph before and its part; a holder that cannot call
    /// has none.
    fn each<T>(&self, parts: Parts, counter: impl Fn(Option<usize>, usize) -> T) -> Vec<T> {
        let before = |holder: &Holder<'_>| {
            let name = holder.name();
            self.known.iter().position(|known| *known == name)
        };
        self.holders.iter().zip(parts).map(|(holder, part)| counter(before(holder), part.unwrap_or(0))).collect()
    }
}

fn known<T>(before: Option<&Shares<T>>, at: Option<usize>) -> Option<&T> {
    before?.known(at?)
}

fn continued(before: Option<&Capacity>, limit: usize) -> Capacity {
    before.map_or_else(|| Capacity::new(limit), |before| before.with_limit(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "[key.main]\nfile = \"k\"\nidentity_file = \"i\"\n";
    const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn settings(text: &str) -> Settings {
        crate::config::parse(&format!("{text}\n{KEY}"), "f", []).unwrap()
    }

    /// A listener for clients with uids, with a route whose limits are 10 exchanges and forms of 100 bytes.
    fn by_uid(clients: &str, process: &str) -> Settings {
        settings(&format!(
            "[listener.x]\naddress = \"unix:/run/x\"\nauthenticate = [\"unix-peer\"]\nlimits.connections = 100\n\
             [route.ie]\nendpoint = \"https://ie.example\"\nlimits = {{ in_flight = 10, body = \"100 B\" }}\n\
             [process]\nbodies = \"1001 B\"\n{process}\n{clients}"
        ))
    }

    type All = (Parts, Parts, Parts);

    fn all(settings: &Settings) -> All {
        let holders = holders(settings);
        let (route, listener) = (&settings.routes[0], &settings.listeners[0]);
        (
            in_flight(settings, &holders, route),
            bodies(settings, &holders),
            connections(&holders, listener, listener.limits.connections),
        )
    }

    #[test]
    fn a_sidecar_and_a_single_client_lose_nothing() {
        let sidecar = settings(
            "[listener.x]\nany_local = true\nlimits.connections = 100\n\
             [route.ie]\nendpoint = \"https://ie.example\"\nlimits = { in_flight = 10, body = \"100 B\" }\n\
             [process]\nbodies = \"1001 B\"",
        );
        let everything = (vec![Some(10)], vec![Some(1001)], vec![Some(100)]);
        assert_eq!(all(&sidecar), everything);
        assert_eq!(all(&by_uid("[client.a]\nuid = 1\nallow = [\"*:*\"]", "")), everything);
    }

    #[test]
    fn two_clients_have_half_each_rounded_up_unless_they_say_otherwise() {
        let two = |share: &str| {
            all(&by_uid(
                &format!("[client.a]\nuid = 1\nallow = [\"ie:Get*\"]\n{share}\n[client.b]\nuid = 2\nmode = \"record\""),
                "",
            ))
        };
        let some = |one, other| vec![Some(one), Some(other)];
        assert_eq!(two(""), (some(5, 5), some(501, 501), some(50, 50)));
        assert_eq!(two("share = \"33%\""), (some(4, 5), some(331, 501), some(33, 50)));
        assert_eq!(two("share = \"100%\""), (some(10, 5), some(1001, 501), some(100, 50)));
        assert_eq!(two("share = \"1%\""), (some(1, 5), some(100, 501), some(1, 50)), "and one form");
        assert_eq!(two("share = 20"), (some(10, 5), some(501, 501), some(20, 50)));
    }

    #[test]
    fn who_may_not_call_a_route_takes_nothing_of_it_and_leaves_it_to_the_others() {
        let clients = format!(
            "[client.a]\nuid = 1\nallow = [\"ie:*\"]\n[client.b]\nuid = 2\ndeny = [\"ie:*\"]\n\
             [client.c]\ntoken_sha256 = \"{DIGEST}\"\nallow = [\"*:*\"]"
        );
        let (in_flight, bodies, connections) = all(&by_uid(&clients, ""));
        assert_eq!(in_flight, [Some(10), None, None], "b has no rule that allows, c no listener");
        assert_eq!(bodies, [Some(501), Some(501), None], "b may still send bodies");
        assert_eq!(connections, [Some(50), Some(50), None]);
    }

    #[test]
    fn rules_with_conditions_let_a_client_call_too() {
        let rule = "[[client.a.rule]]\neffect = \"allow\"\nactions = [\"ie:List*\"]\n";
        let clients = format!("[client.a]\nuid = 1\n{rule}[client.b]\nuid = 2\nallow = [\"*:*\"]");
        assert_eq!(all(&by_uid(&clients, "")).0, [Some(5), Some(5)]);
        let denies = clients.replace("\"allow\"\nactions", "\"deny\"\nactions");
        assert_eq!(all(&by_uid(&denies, "")).0, [None, Some(10)]);
    }

    #[test]
    fn whoever_can_connect_to_a_listener_is_one_holder_beside_the_clients() {
        let settings = settings(
            "[listener.x]\nany_local = true\nlimits.connections = 100\n\
             [listener.y]\naddress = \"unix:/run/y\"\nauthenticate = [\"unix-peer\"]\n\
             [route.ie]\nendpoint = \"https://ie.example\"\nlimits = { in_flight = 10, body = \"100 B\" }\n\
             [process]\nbodies = \"1001 B\"\n[client.a]\nuid = 1\nallow = [\"*:*\"]",
        );
        let half = vec![Some(5), Some(5)];
        assert_eq!(all(&settings), (half, vec![Some(501), Some(501)], vec![None, Some(100)]));
    }

    /// Two listeners with `any_local = true` and, if wanted, one for a client.
    fn two_doors(more: &str) -> Settings {
        settings(&format!(
            "[listener.x]\nany_local = true\nlimits.connections = 100\n\
             [listener.y]\naddress = \"unix:/run/y\"\nany_local = true\nlimits.connections = 100\n\
             [route.ie]\nendpoint = \"https://ie.example\"\nlimits = {{ in_flight = 10, body = \"100 B\" }}\n\
             [process]\nbodies = \"1001 B\"\n{more}"
        ))
    }

    const NAMED: &str = "[listener.z]\naddress = \"unix:/run/z\"\nauthenticate = [\"unix-peer\"]\n\
                         [client.a]\nuid = 1\nallow = [\"*:*\"]";

    #[test]
    fn all_listeners_with_any_local_are_one_holder_with_half_beside_a_client_and_everything_alone() {
        let half = (vec![Some(5), Some(5)], vec![Some(501), Some(501)], vec![None, Some(100)]);
        assert_eq!(all(&two_doors(NAMED)), half);
        assert_eq!(all(&two_doors("")), (vec![Some(10)], vec![Some(1001)], vec![Some(100)]));
    }

    #[test]
    fn whoever_uses_two_listeners_with_any_local_has_one_share_of_the_descriptors() {
        for (more, places) in [(NAMED, 4), ("", 8)] {
            let settings = two_doors(more);
            let counters = Counters::new(&settings, &Capacity::new(8), None);
            let anybody = counters.holders.len() - 1;
            let [x, y] = [0, 1].map(|at| counters.of_listener(&settings.listeners[at], Capacity::new(8), None));
            let held: Vec<_> = (0..8).flat_map(|_| [x.of(anybody).take(), y.of(anybody).take()]).flatten().collect();
            assert_eq!(held.len(), places, "{more}");
        }
    }

    #[test]
    fn what_is_held_through_one_listener_with_any_local_counts_after_a_reload_that_adds_another() {
        let one = two_doors(NAMED);
        let first = Settings { listeners: one.listeners[1..].to_vec(), ..one };
        let second = two_doors(NAMED);
        let descriptors = Capacity::new(1000);
        let counters = Counters::new(&first, &descriptors, None);
        let before = counters.of_route(&first.routes[0], Capacity::new(10), None);
        let (names, shares) = counters.into_parts();
        let held: Vec<_> = (0..5).filter_map(|_| before.of(1).take()).collect();
        let counters = Counters::new(&second, &descriptors, Some((&names, &shares)));
        let after = counters.of_route(&second.routes[0], before.all().with_limit(10), Some(&before));
        assert_eq!((held.len(), after.of(1).taken()), (5, 5));
        assert!(after.of(1).take().is_none() && after.of(0).take().is_some());
    }

    #[test]
    fn levels_survive_a_reload_that_changes_numbers_and_limits() {
        let (a, b) = ("[client.a]\nuid = 1\nallow = [\"*:*\"]\n", "[client.b]\nuid = 2\nallow = [\"*:*\"]\n");
        let (first, second) = (by_uid(b, ""), by_uid(&format!("{a}{b}"), ""));
        let descriptors = Capacity::new(1000);
        let counters = Counters::new(&first, &descriptors, None);
        let before = counters.of_route(&first.routes[0], Capacity::new(10), None);
        let bodies_before = counters.of_bodies(ByteBudget::new(1001), None);
        let (names, shares) = counters.into_parts();
        let held: Vec<_> = (0..7).filter_map(|_| before.of(0).take()).collect();
        let mut form = bodies_before.of(0).hold();
        form.at_least(600).unwrap();

        let counters = Counters::new(&second, &descriptors, Some((&names, &shares)));
        let after = counters.of_route(&second.routes[0], before.all().with_limit(10), Some(&before));
        let bodies_after = counters.of_bodies(bodies_before.all().with_limit(1001), Some(&bodies_before));
        assert_eq!((after.of(0).taken(), after.of(1).taken(), after.all().taken()), (0, 7, 7));
        assert!(after.of(1).take().is_none(), "seven are more than its half");
        assert_eq!((0..9).filter_map(|_| after.of(0).take()).count(), 9, "dropped at once, so each is the first");
        assert_eq!(bodies_after.of(1).used(), 600);
        drop((held, form));
        assert_eq!((after.of(1).taken(), after.all().taken(), bodies_after.all().used()), (0, 0, 0));
    }

    #[test]
    fn a_client_with_two_listeners_has_one_share_of_the_descriptors() {
        let settings = settings(
            "[listener.x]\naddress = \"unix:/run/x\"\nauthenticate = [\"unix-peer\"]\nlimits.connections = 8\n\
             [listener.y]\naddress = \"unix:/run/y\"\nauthenticate = [\"unix-peer\"]\nlimits.connections = 8\n\
             [route.ie]\nendpoint = \"https://ie.example\"\n\
             [client.a]\nuid = 1\nallow = [\"*:*\"]\n[client.b]\nuid = 2\nallow = [\"*:*\"]",
        );
        let counters = Counters::new(&settings, &Capacity::new(8), None);
        let [x, y] = [0, 1].map(|at| counters.of_listener(&settings.listeners[at], Capacity::new(8), None));
        let all: Vec<_> = (0..4).flat_map(|_| [x.of(0).take(), y.of(0).take()]).flatten().collect();
        assert_eq!(all.len(), 4, "half of the eight descriptors, not half of each listener's places");
        assert!(x.of(1).take().is_some() && y.of(1).take().is_some());
    }
}

//! A shop: all services on a set of ports, with the runtime that drives them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use utoipa_axum::router::OpenApiRouter;

use super::seeding;
use super::{NotUsable, Ports, Role, Roles, Settings};
use crate::domain::closed_set::closed_set;
use crate::events::Topic;
use crate::http::layers::{self, LayerDeps};
use crate::http::listen::{self, Bound};
use crate::http::trace::Belongs;
use crate::http::{openapi, probes};
use crate::ports::StoreError;
use crate::runtime::members::Members;
use crate::runtime::{Health, Meters, Stop, Supervisor};
use crate::services::cart::Carts;
use crate::services::catalog::Catalog;
use crate::services::desk::Bells;
use crate::services::inventory::Inventory;
use crate::services::notification::Notifications;
use crate::services::order::Orders;
use crate::services::payment::Payments;
use crate::services::{Desk, Service, ServiceName};

/// Longest wait for the first products to be on sale.
const ON_SALE_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks whether they are.
const ON_SALE_LOOK_EVERY: Duration = Duration::from_millis(20);

closed_set! {
    /// What listens on a port of its own.
    Listener {
        /// Everything, behind one address.
        Gateway = "gateway",
        /// Carts and checkout.
        Cart = "cart-service",
        /// Orders.
        Order = "order-service",
        /// Payments.
        Payment = "payment-service",
        /// Stock.
        Inventory = "inventory-service",
        /// Mail.
        Notification = "notification-service",
    }
}

impl Listener {
    /// Whose it is.
    const fn role(self) -> Role {
        match self {
            Self::Gateway => Role::Gateway,
            Self::Cart => Role::Cart,
            Self::Order => Role::Order,
            Self::Payment => Role::Payment,
            Self::Inventory => Role::Inventory,
            Self::Notification => Role::Notification,
        }
    }

    /// Its name in the section `ports` of the configuration.
    pub const fn key(self) -> &'static str {
        self.role().as_str()
    }

    /// Those of a process with these roles, and how far behind the first port each is.
    pub fn of(roles: &Roles) -> Vec<(Self, u16)> {
        let all = Self::ALL.iter().copied().zip(0..);
        all.filter(|(listener, _)| roles.has(listener.role())).collect()
    }
}

/// A shop, built and perhaps running.
pub struct Shop {
    pub(super) ports: Ports,
    pub(super) settings: Settings,
    pub(super) bells: Bells,
    /// The services.
    pub services: Services,
    /// Counters.
    pub meters: Arc<Meters>,
    /// How the parts are.
    pub health: Health,
    /// Ends everything.
    pub stop: Stop,
    pub(super) members: Members,
    pub(super) roles: Roles,
    pub(super) supervisor: Supervisor,
}

/// The shop's services.
pub struct Services {
    /// Carts and checkout.
    pub carts: Arc<Carts>,
    /// Orders.
    pub orders: Arc<Orders>,
    /// Payments.
    pub payments: Arc<Payments>,
    /// Stock.
    pub inventory: Arc<Inventory>,
    /// Mail.
    pub notifications: Arc<Notifications>,
    /// What sellers offer.
    pub catalog: Arc<Catalog>,
}

impl Shop {
    /// Builds a shop on `ports`, after `wrap` has put decorators around them.
    pub fn build(settings: &Settings, ports: Ports, wrap: impl FnOnce(Ports) -> Ports) -> Self {
        let ports = wrap(ports);
        let bells = Bells::default();
        let rules = Arc::new(settings.shop());
        let members = match &ports.others {
            Some(others) => Members::among_others(&others.instance),
            None => Members::alone(),
        };
        let desk = |name: ServiceName| {
            let dice = ports.randomness.stream(name.as_str());
            let (store, clock) = (Arc::clone(&ports.store), Arc::clone(&ports.clock));
            let desk = Desk::new(name, store, clock, dice, Arc::clone(&rules), bells.clone());
            desk.owned_by(members.instance())
        };
        let catalog = Arc::new(Catalog::new(desk(ServiceName::Catalog)));
        let carts = Arc::new(Carts::new(
            desk(ServiceName::Cart),
            Arc::clone(&ports.cache),
            Arc::clone(&ports.holds),
            Arc::clone(&catalog) as _,
        ));
        let orders = Orders::new(desk(ServiceName::Order), Arc::clone(&carts) as _);
        let payments = Payments::new(desk(ServiceName::Payment), Arc::clone(&ports.gateway));
        let inventory = Inventory::new(desk(ServiceName::Inventory), Arc::clone(&ports.holds));
        let notifications = Notifications::new(
            desk(ServiceName::Notification),
            Arc::clone(&ports.mailer),
            Arc::clone(&ports.sms),
            ports.mailbox.clone(),
        );
        let services = Services {
            carts,
            orders: Arc::new(orders),
            payments: Arc::new(payments),
            inventory: Arc::new(inventory),
            notifications: Arc::new(notifications),
            catalog,
        };
        let (health, stop) = (Health::default(), Stop::default());
        let supervisor = Supervisor::new(
            Arc::clone(&ports.spawn),
            Arc::clone(&ports.clock),
            health.clone(),
            stop.clone(),
        );
        let settings = settings.clone();
        let meters = Arc::new(Meters::counting(ports.tracer.counts()));
        meters.started.set(ports.clock.now().millis() as f64 / 1_000.0);
        let roles = settings.roles();
        Self { ports, settings, bells, services, meters, health, stop, members, roles, supervisor }
    }

    /// The adapters that it runs on.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Its bells.
    pub fn bells(&self) -> &Bells {
        &self.bells
    }

    /// Every change of an order's status from now on.
    pub fn order_changes(
        &self,
    ) -> tokio::sync::broadcast::Receiver<crate::services::desk::OrderChange> {
        self.bells.orders.subscribe()
    }

    /// Creates the topics that are missing.
    pub async fn create_topics(&self) -> Result<(), NotUsable> {
        let keep = |period: Duration| Some(period).filter(|period| !period.is_zero());
        for topic in Topic::ALL {
            let retention = match topic {
                Topic::DlqEvents => keep(self.settings.data.dlq_retention.0),
                _ => keep(self.settings.data.log_retention.0),
            };
            let partitions = self.settings.delivery.partitions;
            self.ports.bus.create_topic(topic.as_str(), partitions, retention).await?;
        }
        Ok(())
    }

    /// Fills an empty catalogue with the configured number of products.
    pub async fn seed_catalogue(&self) -> anyhow::Result<usize> {
        if !self.roles.run(ServiceName::Catalog) {
            return Ok(0);
        }
        let mut dice = self.ports.randomness.stream("catalogue");
        let seeded =
            seeding::seed(&self.services.catalog, self.settings.serve.products, &mut dice).await;
        seeded.map_err(|e| anyhow::anyhow!("cannot create the first catalogue: {e:?}"))
    }

    /// Waits until that many products can be bought: the inventory hears of new ones a moment later
    /// than the catalogue. Gives up after a while, since a shop with fewer products is one too.
    pub async fn on_sale(&self, count: usize) -> Result<(), StoreError> {
        let clock = &self.ports.clock;
        let give_up = clock.elapsed() + ON_SALE_MAX;
        loop {
            let listed = self.services.inventory.listed("", count as u32).await?;
            let ready = listed.iter().filter(|product| product.stock > 0).count();
            if ready >= count || clock.elapsed() >= give_up {
                return Ok(());
            }
            clock.sleep(ON_SALE_LOOK_EVERY).await;
        }
    }

    /// Gets the services ready and starts every part.
    pub async fn start(&self) -> anyhow::Result<()> {
        let own: Vec<_> = self.all_services();
        let own = own.into_iter().filter(|service| self.roles.run(service.desk().name));
        let own: Vec<Arc<dyn Service>> = own.collect();
        for service in &own {
            let name = service.desk().name;
            service.start().await.with_context(|| format!("cannot start {name}"))?;
        }
        self.start_members().await?;
        let relay = self.start_relay();
        for service in own {
            if !service.topics().is_empty() {
                self.start_worker(&service);
            }
            self.start_sweeper(&service);
        }
        if self.roles.run(ServiceName::Payment) {
            self.start_effects("payment-effects", &self.services.payments);
        }
        if self.roles.run(ServiceName::Notification) {
            self.start_effects("notification-effects", &self.services.notifications);
        }
        self.start_watch();
        self.start_pressure_gauge();
        self.start_lag_meter();
        self.start_janitor();
        relay.give(); // for what the last run left in the outbox
        Ok(())
    }

    /// Runs a part that is not the shop's own, under the same supervision.
    pub fn run_part<F>(&self, name: &str, make: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.supervisor.run(name, make);
    }

    /// Serves a listener's router until the shop stops. `extra` is merged into the gateway's.
    pub fn listen(&self, listener: Listener, bound: Bound, extra: OpenApiRouter) {
        let mut once = Some((bound, self.router(listener, extra), self.stop.clone()));
        self.supervisor.run(listener.as_str(), move || {
            let once = once.take();
            async move {
                match once {
                    Some((bound, router, stop)) => listen::serve(bound, router, stop).await,
                    // Its socket is gone with it; the rest of the shop goes on.
                    None => std::future::pending().await,
                }
            }
        });
    }

    /// The router of a listener. `extra` is merged into the gateway's.
    pub fn router(&self, listener: Listener, extra: OpenApiRouter) -> axum::Router {
        let s = &self.services;
        let api = match listener {
            Listener::Cart => crate::services::cart::api::routes(Arc::clone(&s.carts)),
            Listener::Order => crate::services::order::api::routes(Arc::clone(&s.orders)),
            Listener::Payment => crate::services::payment::api::routes(Arc::clone(&s.payments)),
            Listener::Inventory => {
                crate::services::inventory::api::routes(Arc::clone(&s.inventory))
            }
            Listener::Notification => {
                crate::services::notification::api::routes(Arc::clone(&s.notifications))
            }
            Listener::Gateway => crate::services::cart::api::routes(Arc::clone(&s.carts))
                .merge(crate::services::order::api::routes(Arc::clone(&s.orders)))
                .merge(crate::services::payment::api::routes(Arc::clone(&s.payments)))
                .merge(crate::services::inventory::api::routes(Arc::clone(&s.inventory)))
                .merge(crate::services::notification::api::routes(Arc::clone(&s.notifications)))
                .merge(crate::services::catalog::api::routes(Arc::clone(&s.catalog))),
        };
        let api = layers::durable(api, Arc::clone(&self.ports.store));
        let deps = LayerDeps::new(
            Arc::clone(&self.meters),
            Arc::clone(&self.ports.clock),
            Arc::clone(&self.ports.spawn),
        )
        .traced(self.ports.tracer.clone(), Belongs::ToOrder);
        let api = api.merge(probes::health_route(listener.to_string()));
        let api = api.merge(probes::routes(self.health.clone(), Arc::clone(&self.meters)));
        if listener != Listener::Gateway {
            return layers::wrap(api.split_for_parts().0, &deps);
        }
        let all = OpenApiRouter::with_openapi(openapi::document()).merge(api).merge(extra);
        layers::wrap(openapi::publish(all), &deps)
    }

    /// Says stop and waits until what is under way is finished, for at most `limit`; the parts that
    /// were not.
    pub async fn drain(&self, limit: Duration) -> Vec<String> {
        self.stop.say();
        let late = self.supervisor.drained(limit).await;
        if self.members.is_shared() {
            let (store, clock) = (self.ports.store.as_ref(), self.ports.clock.as_ref());
            if let Err(error) = self.members.leave(store, clock).await {
                tracing::warn!(%error, "the others are not told; they will notice");
            }
        }
        late
    }

    /// Drops everything where it stands.
    pub fn crash(&self) {
        self.supervisor.abort();
    }
}

//! What a measurement stands on: a shop of its own in a throw-away folder, or in a corner of its own on
//! real servers, a provider that answers at once, shelves that do not run empty, and carts that are
//! filled beforehand.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use utoipa_axum::router::OpenApiRouter;

use crate::app::embedded::Environment;
use crate::app::folder::ThrowAway;
use crate::app::shop::Listener;
use crate::app::{Backends, Corner, DataFolder, Settings, Shop};
use crate::domain::{Money, ProductId, Quantity, UserId};
use crate::http::listen;
use crate::ports::GatewayDials;
use crate::services::catalog::NewProduct;

/// Products that are bought.
pub const PRODUCTS: usize = 500;
/// Longest wait for a shop to stop.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Carts filled at the same time.
const FILLING: usize = 256;

/// A shop to be measured.
pub struct Ground {
    /// The shop, running.
    pub shop: Arc<Shop>,
    /// Its adapters.
    pub backends: Backends,
    corner: Mutex<Option<Corner>>,
    folder: ThrowAway,
    _owned: DataFolder,
}

impl Ground {
    /// A running shop with `settings`, but a provider that takes every charge at once.
    pub async fn prepare(mut settings: Settings) -> anyhow::Result<Self> {
        settings.set_dials(&GatewayDials::instant());
        let env = Environment::system();
        let name = format!("ecom-bench-{}-{}", std::process::id(), env.clock.now().millis());
        let folder = ThrowAway::new(&name)?;
        let owned = DataFolder::open(folder.path())?;
        let corner = Corner::claim(&mut settings, &name, env.clock.as_ref()).await?;
        let backends = Backends::open(Some(&owned), &settings, env).await?;
        let shop = Arc::new(Shop::build(&settings, backends.ports.clone(), |ports| ports));
        shop.create_topics().await?;
        shop.start().await?;
        if backends.own_log {
            backends.embedded.prune_log(&shop, settings.data.tidy_every.0);
        }
        let corner = Mutex::new(Some(corner));
        let ground = Self { shop, backends, corner, folder, _owned: owned };
        ground.stock_up().await?;
        Ok(ground)
    }

    async fn stock_up(&self) -> anyhow::Result<()> {
        let product = |n: usize| NewProduct {
            product_id: product_id(n),
            seller_id: "bench".into(),
            name: format!("Product {n}"),
            description: String::new(),
            price: Money::from_minor(1_000 + n as i64),
            stock: Quantity::new(Quantity::MAX).ok(),
        };
        let all: Vec<NewProduct> = (0..PRODUCTS).map(product).collect();
        let created = self.shop.services.catalog.create(&all, &|_, _| {}).await;
        created.map_err(|e| anyhow::anyhow!("{e:?}"))?;
        self.settled().await
    }

    /// Waits until nothing is left to publish or to consume.
    pub async fn settled(&self) -> anyhow::Result<()> {
        let ports = &self.backends.ports;
        loop {
            let waiting = crate::ports::store::query(
                ports.store.as_ref(),
                "select count(*) from outbox_events where published = 'N'",
                vec![],
            );
            let lag: u64 = ports.bus.groups().await?.iter().map(|group| group.lag).sum();
            if waiting.await?[0].int(0)? == 0 && lag == 0 {
                return Ok(());
            }
            ports.clock.sleep(Duration::from_millis(50)).await;
        }
    }

    /// Fills the carts of `users`: one to three products each, one or two units.
    pub async fn fill_carts(&self, users: std::ops::Range<usize>) -> anyhow::Result<()> {
        let fill = |n: usize| async move {
            let user = user_id(n);
            for line in 0..=n % 3 {
                let product = product_id((n * 7 + line * 131) % PRODUCTS);
                let quantity = Quantity::new(1 + (n % 2) as u32)?;
                let added = self.shop.services.carts.add(&user, &product, quantity, None).await;
                added.map_err(|e| anyhow::anyhow!("{e:?}"))?;
            }
            anyhow::Ok(())
        };
        let mut filling = stream::iter(users).map(fill).buffer_unordered(FILLING);
        while let Some(filled) = filling.next().await {
            filled?;
        }
        self.settled().await
    }

    /// Serves the gateway on any free port of loopback; its address.
    pub async fn listen(&self) -> anyhow::Result<String> {
        let bound = listen::bind(std::net::Ipv4Addr::LOCALHOST.into(), 0).await?;
        let address = format!("http://{}", bound.address);
        self.shop.listen(Listener::Gateway, bound, OpenApiRouter::new());
        Ok(address)
    }

    /// Stops the shop, and removes what it had on servers.
    pub async fn sweep(&self) -> anyhow::Result<()> {
        self.shop.drain(DRAIN_MAX).await;
        let corner = self.corner.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(corner) = corner {
            corner.sweep(Arc::clone(&self.backends.ports.clock)).await?;
        }
        Ok(())
    }

    /// Bytes on disk.
    pub fn disk_bytes(&self) -> u64 {
        let files = std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
    }
}

/// The shopper with this number.
pub fn user_id(n: usize) -> UserId {
    format!("user-{n:07}").parse().expect("made of safe characters")
}

fn product_id(n: usize) -> ProductId {
    format!("BENCH-{n:04}").parse().expect("made of safe characters")
}

//! What everybody knows to be on sale: fetched once, and told by sellers afterwards.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::chance::Zipf;
use super::client::{Call, Client, NoAnswer};
use crate::ports::Dice;

/// Products, most popular first.
pub struct Shelf {
    products: Mutex<Vec<String>>,
    zipf: Zipf,
}

impl Shelf {
    /// All products on sale, page by page; `skew` says how much more popular the first are.
    pub async fn fetch(client: &dyn Client, skew: f64) -> Result<Self, NoAnswer> {
        let mut products = vec![];
        let mut next = Some("/products?limit=500".to_owned());
        while let Some(path) = next {
            let reply = client.call(&Call::get(path)).await?;
            let page = reply.json();
            let ids = page.as_array().into_iter().flatten();
            products.extend(ids.filter_map(|p| p["product_id"].as_str().map(str::to_owned)));
            next = reply.link.as_deref().and_then(next_page);
        }
        let zipf = Zipf::new(products.len(), skew);
        Ok(Self { products: Mutex::new(products), zipf })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.products.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A product that somebody might look at.
    pub fn popular(&self, dice: &mut Dice) -> Option<String> {
        let rank = self.zipf.draw(dice);
        self.lock().get(rank).cloned()
    }

    /// Any product, all as likely.
    pub fn any(&self, dice: &mut Dice) -> Option<String> {
        dice.pick(&self.lock()).cloned()
    }

    /// A new product takes the place of an unpopular one in people's minds.
    pub fn add(&self, product: String, dice: &mut Dice) {
        let mut products = self.lock();
        if products.is_empty() {
            products.push(product);
            return;
        }
        let half = products.len() as u64 / 2;
        let at = (half + dice.below(products.len() as u64 - half)) as usize;
        products[at] = product;
    }

    /// How many products there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is nothing on sale.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The path in `</products?…>; rel="next"`.
fn next_page(link: &str) -> Option<String> {
    let (path, rest) = link.strip_prefix('<')?.split_once('>')?;
    rest.contains("rel=\"next\"").then(|| path.to_owned())
}

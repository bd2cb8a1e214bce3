//! One shopper: looks around, fills a cart, checks out or leaves it, follows the order, comes back.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::chance;
use super::client::{Call, NoAnswer, Reply};
use super::crowd::Crowd;
use super::history::{Bought, Ending, Entry, Operation};
use super::people::ShopperHabits;
use super::shelf::Shelf;
use crate::ports::Dice;

/// Pages in one session at most.
const PAGES_MAX: f64 = 20.0;
/// Sessions of one shopper at most.
const VISITS_MAX: usize = 2;
/// Tries of one checkout at most.
const CHECKOUT_TRIES: usize = 8;
/// How long an order page asks the shop to wait for news.
const WAIT: &str = "5s";
/// First pause after an error; doubles.
const PAUSE: Duration = Duration::from_millis(200);

/// A shopper.
pub(super) struct Shopper {
    crowd: Arc<Crowd>,
    shelf: Arc<Shelf>,
    user: String,
    dice: Dice,
    /// When the next request is meant to be sent.
    intended: Duration,
    /// What the shopper believes to be in the cart.
    cart: Vec<Bought>,
    /// Does the things that a run must have seen, whatever the dice say.
    exemplary: bool,
}

/// What is asked for at a checkout; the same in every try.
struct Wish {
    key: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

impl Wish {
    fn call(&self, user: &str) -> Call {
        let call = Call::new("POST", format!("/cart/{user}/checkout")).key(self.key.clone());
        if self.email.is_none() && self.phone.is_none() {
            return call;
        }
        call.json(&json!({ "email": self.email, "phone": self.phone }))
    }
}

impl Shopper {
    pub(super) fn new(crowd: Arc<Crowd>, shelf: Arc<Shelf>, n: usize) -> Self {
        let user = format!("shopper-{n:06}");
        let dice = crowd.randomness.stream(&user);
        let intended = crowd.clock.elapsed();
        Self { crowd, shelf, user, dice, intended, cart: vec![], exemplary: n < 2 }
    }

    fn habits(&self) -> ShopperHabits {
        self.crowd.workload.shopper.clone()
    }

    /// Sessions until the shopper stays away.
    pub(super) async fn visit(&mut self, intended: Duration) {
        self.intended = intended;
        for visit in 1..=VISITS_MAX {
            self.crowd.stats.load(|load| load.sessions += 1);
            self.session().await;
            self.crowd.stats.load(|load| load.ended += 1);
            let come_back = self.habits().come_back;
            if visit == VISITS_MAX || self.crowd.is_closed() || !self.dice.chance(come_back) {
                return;
            }
            self.crowd.stats.load(|load| load.offered += 1);
            self.think_for(self.habits().think_ms * 2).await;
        }
    }

    async fn session(&mut self) {
        let habits = self.habits();
        let pages = if !self.exemplary && self.dice.chance(habits.bounce) {
            1.0
        } else {
            chance::log_normal(&mut self.dice, habits.pages_median, habits.pages_mean)
        };
        for page in 0..pages.clamp(1.0, PAGES_MAX) as usize {
            if self.crowd.is_closed() {
                return;
            }
            if page > 0 {
                self.think_for(habits.think_ms).await;
            }
            self.look_at_a_page(&habits).await;
        }
        if self.cart.is_empty() {
            return;
        }
        if self.exemplary || self.dice.chance(habits.checkout) {
            self.think_for(habits.think_ms).await;
            self.check_out(&habits).await;
        } else {
            self.crowd.stats.load(|load| load.abandoned += 1);
        }
    }

    async fn look_at_a_page(&mut self, habits: &ShopperHabits) {
        let Some(product) = self.shelf.popular(&mut self.dice) else { return };
        let seen = self.call(&Call::get(format!("/products/{product}"))).await;
        if let Ok(reply) = seen.as_ref()
            && reply.is_ok()
            && (self.cart.is_empty() && self.exemplary || self.dice.chance(habits.add))
        {
            self.add(&product, &reply.json()).await;
        }
        if !self.cart.is_empty() && !self.exemplary {
            if self.dice.chance(habits.remove) {
                self.remove_one().await;
            } else if self.dice.chance(habits.change) {
                self.change_one().await;
            }
        }
    }

    async fn add(&mut self, product: &str, shown: &Value) {
        // The first digit of a one-to-ten Zipf draw: mostly one unit.
        let quantity = chance::Zipf::new(5, 2.0).draw(&mut self.dice) as u64 + 1;
        let price = &shown["price"];
        let body = format!(r#"{{"product_id":"{product}","quantity":{quantity},"price":{price}}}"#);
        let mut call = Call::new("POST", format!("/cart/{}/items", self.user));
        call.body = Some(body);
        if let Ok(reply) = self.call(&call).await
            && reply.is_ok()
        {
            self.look_into_cart().await;
        }
    }

    async fn remove_one(&mut self) {
        let Some(line) = self.dice.pick(&self.cart).cloned() else { return };
        let path = format!("/cart/{}/items/{}", self.user, line.product);
        let _ = self.call(&Call::new("DELETE", path)).await;
        self.look_into_cart().await;
    }

    async fn change_one(&mut self) {
        let Some(line) = self.dice.pick(&self.cart).cloned() else { return };
        let quantity = 1 + self.dice.below(3);
        let path = format!("/cart/{}/items/{}", self.user, line.product);
        let _ = self.call(&Call::new("PUT", path).json(&json!({ "quantity": quantity }))).await;
        self.look_into_cart().await;
    }

    async fn look_into_cart(&mut self) {
        if let Ok(reply) = self.call(&Call::get(format!("/cart/{}", self.user))).await
            && reply.is_ok()
        {
            self.cart = bought(&reply.json()["items"]);
        }
    }

    async fn check_out(&mut self, habits: &ShopperHabits) {
        let mut intended = self.intended;
        let wish = self.wish(habits);
        let double = self.exemplary || self.dice.chance(habits.double_click);
        let mut pause = PAUSE;
        let mut unanswered = None;
        for tries in 0..CHECKOUT_TRIES {
            let reply = if double && tries == 0 {
                self.click_twice(&wish).await
            } else {
                self.click(&wish).await
            };
            let took = self.crowd.clock.elapsed().saturating_sub(intended);
            match reply {
                Ok(reply) if reply.is_ok() => {
                    self.crowd.stats.checkout_took(took);
                    let order = reply.json()["order_id"].as_str().unwrap_or_default().to_owned();
                    self.crowd.stats.seen(|seen| seen.placed += 1);
                    self.cart.clear();
                    return self.follow(&order, intended, habits).await;
                }
                Ok(reply) if reply.is_refused() => {
                    self.crowd.stats.checkout_took(took);
                    unanswered = None;
                    if !self.make_do(&reply).await {
                        return;
                    }
                    self.think_for(habits.think_ms).await;
                    intended = self.intended;
                }
                // Busy, broken or gone: the same again, with the same key.
                Ok(_) | Err(_) => {
                    unanswered = Some(took);
                    self.crowd.clock.sleep(pause).await;
                    pause *= 2;
                }
            }
            if self.crowd.is_closed() {
                break;
            }
        }
        if let Some(age) = unanswered {
            self.crowd.stats.checkout_given_up(age);
        }
    }

    fn wish(&mut self, habits: &ShopperHabits) -> Wish {
        let with_key = self.exemplary || self.dice.chance(0.9);
        // The same seed may be run twice on one shop: a key is about one wish of one run.
        let begun = self.crowd.begun;
        let key = with_key.then(|| format!("key-{begun:x}-{:016x}", self.dice.below(u64::MAX)));
        let email =
            self.dice.chance(habits.give_email).then(|| format!("{}@mail.example", self.user));
        let phone = self.dice.chance(habits.give_phone);
        let phone = phone.then(|| format!("+49{:011}", self.dice.below(99_999_999_999)));
        Wish { key, email, phone }
    }

    async fn click(&self, wish: &Wish) -> Result<Reply, NoAnswer> {
        let sent = self.crowd.clock.now().millis();
        let reply = self.call(&wish.call(&self.user)).await;
        self.note_checkout(wish, sent, &reply);
        reply
    }

    /// Two clicks at once; the shopper sees the first answer that is good.
    async fn click_twice(&self, wish: &Wish) -> Result<Reply, NoAnswer> {
        let (first, second) = futures::join!(self.click(wish), self.click(wish));
        match (&first, &second) {
            (Ok(reply), _) if reply.is_ok() => first,
            (_, Ok(reply)) if reply.is_ok() => second,
            _ => first,
        }
    }

    fn note_checkout(&self, wish: &Wish, sent: i64, reply: &Result<Reply, NoAnswer>) {
        let ok = reply.as_ref().ok().filter(|reply| reply.is_ok());
        let json = ok.map(Reply::json);
        let operation = Operation::Checkout {
            key: wish.key.clone(),
            order: json.as_ref().and_then(|j| j["order_id"].as_str().map(str::to_owned)),
            body: ok.map(|reply| HEXLOWER.encode(&Sha256::digest(&reply.body))),
            items: json.map_or_else(|| self.cart.clone(), |j| bought(&j["cart"]["items"])),
            phone: wish.phone.clone(),
            email: wish.email.clone(),
        };
        self.note(sent, reply, operation);
    }

    fn note(&self, sent: i64, reply: &Result<Reply, NoAnswer>, operation: Operation) {
        let ending = match reply {
            Ok(reply) if reply.is_ok() => Ending::Ok,
            Ok(reply) if reply.is_refused() => Ending::Fail,
            Ok(_) | Err(_) => Ending::Info,
        };
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        let ended = self.crowd.clock.now().millis();
        self.crowd.history.add(Entry {
            who: self.user.clone(),
            sent,
            ended,
            ending,
            status,
            operation,
        });
    }

    /// After a refusal: takes out what is short, accepts new prices; whether anything is left.
    async fn make_do(&mut self, reply: &Reply) -> bool {
        let problem = reply.json();
        let kind = problem["type"].as_str().unwrap_or_default();
        if kind.ends_with(":out-of-stock") {
            for error in problem["errors"].as_array().into_iter().flatten() {
                let product = error["field"].as_str().unwrap_or_default();
                let path = format!("/cart/{}/items/{product}", self.user);
                let _ = self.call(&Call::new("DELETE", path)).await;
            }
        } else if !kind.ends_with(":repriced") {
            return false;
        }
        self.look_into_cart().await;
        !self.cart.is_empty()
    }

    /// Looks at the order until it is final.
    async fn follow(&mut self, order: &str, intended: Duration, habits: &ShopperHabits) {
        if order.is_empty() {
            return;
        }
        if self.user.ends_with("000001") || self.dice.chance(habits.cancel) {
            self.cancel(order).await;
        }
        let give_up = self.crowd.clock.elapsed() + self.crowd.follow_max;
        let mut pause = PAUSE;
        while self.crowd.clock.elapsed() < give_up {
            let sent = self.crowd.clock.now().millis();
            let reply = self.call(&Call::get(format!("/orders/{order}?wait={WAIT}"))).await;
            match &reply {
                Ok(good) if good.is_ok() => {
                    pause = PAUSE;
                    let json = good.json();
                    let status = json["status"].as_str().unwrap_or_default().to_owned();
                    if matches!(status.as_str(), "FULFILLED" | "CANCELLED") {
                        let took = self.crowd.clock.elapsed().saturating_sub(intended);
                        self.crowd.stats.terminal_after(took);
                        self.crowd.stats.seen(|seen| match status.as_str() {
                            "FULFILLED" => seen.fulfilled += 1,
                            _ => seen.cancelled += 1,
                        });
                        let saw =
                            Operation::SawFinal { order: order.to_owned(), final_status: status };
                        return self.note(sent, &reply, saw);
                    }
                }
                _ => {
                    self.crowd.clock.sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
        self.crowd.stats.order_given_up(self.crowd.clock.elapsed().saturating_sub(intended));
    }

    async fn cancel(&mut self, order: &str) {
        let sent = self.crowd.clock.now().millis();
        let reply = self.call(&Call::new("POST", format!("/orders/{order}/cancel"))).await;
        self.note(sent, &reply, Operation::Cancel { order: order.to_owned() });
    }

    async fn think_for(&mut self, mean_ms: u64) {
        let think = self.crowd.think(&mut self.dice, mean_ms);
        self.intended = self.crowd.clock.elapsed() + think;
        self.crowd.clock.sleep(think).await;
    }

    async fn call(&self, call: &Call) -> Result<Reply, NoAnswer> {
        let reply = self.crowd.client.call(call).await;
        self.crowd.stats.load(|load| load.count(&reply));
        reply
    }
}

fn bought(items: &Value) -> Vec<Bought> {
    let line = |item: &Value| {
        Some(Bought {
            product: item["product_id"].as_str()?.to_owned(),
            quantity: item["quantity"].as_u64()?,
            price: minor(&item["price"])?,
        })
    };
    items.as_array().into_iter().flatten().filter_map(line).collect()
}

/// A JSON amount with two decimals, in minor units.
pub(super) fn minor(amount: &Value) -> Option<i64> {
    // Two decimals survive a double exactly enough to be rounded back.
    amount.as_f64().map(|value| (value * 100.0).round() as i64)
}

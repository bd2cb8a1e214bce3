//! What a process does of the shop.

use std::collections::BTreeSet;

use crate::domain::closed_set::closed_set;
use crate::services::ServiceName;

closed_set! {
    /// A part of the shop that a process can have alone.
    Role {
        /// Every API behind one address.
        Gateway = "gateway",
        /// Carts and checkout.
        Cart = "cart",
        /// Orders.
        Order = "order",
        /// Payments.
        Payment = "payment",
        /// Stock.
        Inventory = "inventory",
        /// Mail.
        Notification = "notification",
        /// What sellers offer.
        Catalog = "catalog",
    }
}

impl Role {
    /// The service that it runs; the gateway runs none.
    pub const fn service(self) -> Option<ServiceName> {
        match self {
            Self::Gateway => None,
            Self::Cart => Some(ServiceName::Cart),
            Self::Order => Some(ServiceName::Order),
            Self::Payment => Some(ServiceName::Payment),
            Self::Inventory => Some(ServiceName::Inventory),
            Self::Notification => Some(ServiceName::Notification),
            Self::Catalog => Some(ServiceName::Catalog),
        }
    }
}

/// The roles of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl Default for Roles {
    fn default() -> Self {
        Self(Role::ALL.iter().copied().collect())
    }
}

impl Roles {
    /// Reads lists separated by commas: those of `only`, or all, without those of `except`.
    pub fn parse(only: &str, except: &str) -> Result<Self, String> {
        let list = |text: &str| {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            let role = |name| {
                let known: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
                let unknown =
                    || format!("there is no role {name:?}; there are: {}", known.join(", "));
                Role::parse(name).ok_or_else(unknown)
            };
            names.map(role).collect::<Result<BTreeSet<Role>, String>>()
        };
        let (only, except) = (list(only)?, list(except)?);
        let all = if only.is_empty() { Self::default().0 } else { only };
        let left: BTreeSet<Role> = all.difference(&except).copied().collect();
        if left.is_empty() { Err("no role is left".into()) } else { Ok(Self(left)) }
    }

    /// Whether it is one of them.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether the process runs this service.
    pub fn run(&self, service: ServiceName) -> bool {
        self.0.iter().any(|role| role.service() == Some(service))
    }

    /// Whether they are all there are.
    pub fn are_all(&self) -> bool {
        self.0.len() == Role::ALL.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_those_named_or_all_but_those_named() {
        assert!(Roles::parse("", "").unwrap().are_all());
        let two = Roles::parse("order, payment", "").unwrap();
        assert!(two.has(Role::Order) && two.has(Role::Payment) && !two.has(Role::Gateway));
        assert!(two.run(ServiceName::Order) && !two.run(ServiceName::Cart));
        let most = Roles::parse("", "gateway").unwrap();
        assert!(!most.has(Role::Gateway) && most.run(ServiceName::Catalog));
        assert!(Roles::parse("orders", "").unwrap_err().contains("no role \"orders\""));
        assert!(Roles::parse("cart", "cart").is_err());
    }
}

//! One line of a basket or an order.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::{Money, ProductId, Quantity};

/// Units of one product at the price and name that the shopper was shown. As JSON it carries
/// `item_total` besides, which is derived and ignored when read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// The product.
    pub product_id: ProductId,
    /// Its name when the line was added; a placed order keeps it.
    #[serde(default)]
    pub name: String,
    /// How many.
    pub quantity: Quantity,
    /// Price of one unit.
    pub price: Money,
}

impl Line {
    /// Price of the whole line.
    pub fn total(&self) -> Money {
        self.price.times(self.quantity)
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_struct("Line", 5)?;
        line.serialize_field("product_id", &self.product_id)?;
        line.serialize_field("name", &self.name)?;
        line.serialize_field("quantity", &self.quantity)?;
        line.serialize_field("price", &self.price)?;
        line.serialize_field("item_total", &self.total())?;
        line.end()
    }
}

/// What `lines` cost together.
pub fn lines_total(lines: &[Line]) -> Money {
    lines.iter().map(Line::total).sum()
}

//! The `curl` lines of the original shop's README run as they stand; only ports are put in.

use std::process::{Command, Output};

use crate::harness::program::{Printed, Served};

const README: &str = r#"
```bash
# Health checks (wait 30-60s for services to start)
curl http://localhost:8001/health  # Cart Service
curl http://localhost:8002/health  # Order Service
curl http://localhost:8003/health  # Payment Service
curl http://localhost:8004/health  # Inventory Service
curl http://localhost:8005/health  # Notification Service
```

### Cart Service

```bash
# Add item to cart
curl -X POST http://localhost:8001/cart/user123/items \
  -H "Content-Type: application/json" \
  -d '{
    "product_id": "PROD-123",
    "quantity": 2,
    "price": 49.99
  }'

# Get cart
curl http://localhost:8001/cart/user123

# Remove item
curl -X DELETE http://localhost:8001/cart/user123/items/PROD-123

# Checkout
curl -X POST http://localhost:8001/cart/user123/checkout
```

### Inventory Service

```bash
# List products
curl http://localhost:8004/products

# Get product details
curl http://localhost:8004/products/PROD-001
```

### Order Service

```bash
# Get order details
curl http://localhost:8002/orders/ORD-ABC123
```

### Payment Service

```bash
# Get payment details
curl http://localhost:8003/payments/PAY-XYZ789
```
"#;

/// The commands in the README's fences, each with the lines that it goes on over.
fn commands() -> Vec<String> {
    let fenced = README.split("```").skip(1).step_by(2).collect::<String>();
    let starts = fenced.match_indices("curl ").map(|(at, _)| at);
    let whole = |at: usize| {
        let rest = &fenced[at..];
        let end = rest.find("\n\n").into_iter().chain(rest.find("\ncurl ")).min();
        rest[..end.unwrap_or(rest.len())].trim_end().to_owned()
    };
    starts.map(whole).collect()
}

/// A shell that runs `curl` quietly and prints the status after the body.
struct Shell {
    home: tempfile::TempDir,
    shop: Served,
}

impl Shell {
    fn open() -> Self {
        let installed = Command::new("curl").arg("--version").output().is_ok();
        assert!(installed, "this test needs curl; install it: apt-get install curl");
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".curlrc"), "silent\nwrite-out = \"\\n%{http_code}\"\n")
            .unwrap();
        let shop = Served::start(&home.path().join("shop"), &[]);
        Self { home, shop }
    }

    /// The status and the body.
    fn run(&self, line: &str) -> (u16, serde_json::Value) {
        let line = (1..=5).fold(line.to_owned(), |line, n| {
            let port = self.shop.addresses[n].rsplit(':').next().unwrap();
            line.replace(&format!("localhost:800{n}"), &format!("localhost:{port}"))
        });
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).env("CURL_HOME", self.home.path()).env("NO_PROXY", "*");
        let ran: Output = shell.output().unwrap();
        assert!(ran.status.success(), "{line}: {}", ran.err());
        let out = ran.out();
        let (body, status) = out.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(body).unwrap())
    }
}

#[test]
fn the_readme_has_as_many_lines_as_it_always_had() {
    let commands = commands();
    assert_eq!(commands.len(), 13, "{commands:#?}");
    assert!(commands[5].ends_with("}'"), "{}", commands[5]);
}

#[test]
fn every_line_is_answered() {
    let (shell, commands) = (Shell::open(), commands());
    let (health, rest) = commands.split_at(5);
    let services = ["cart", "order", "payment", "inventory", "notification"];
    for (line, service) in health.iter().zip(services) {
        let (status, body) = shell.run(line);
        assert_eq!((status, &body["status"]), (200, &"ok".into()), "{line}");
        assert_eq!(body["service"], format!("{service}-service"));
    }
    // In this order the cart is empty when it is checked out, and the last two name nothing.
    let statuses: Vec<u16> = rest.iter().map(|line| shell.run(line).0).collect();
    assert_eq!(statuses, [201, 200, 200, 400, 200, 200, 404, 404]);
}

#[test]
fn the_lines_buy_what_they_say() {
    let (shell, commands) = (Shell::open(), commands());
    let find = |part: &str| commands.iter().find(|line| line.contains(part)).unwrap().as_str();
    let (status, body) = shell.run(find("/items \\"));
    assert_eq!((status, &body["message"]), (201, &"Item PROD-123 added to cart".into()));
    let (_, cart) = shell.run("curl http://localhost:8001/cart/user123");
    assert_eq!((&cart["user_id"], &cart["total_amount"]), (&"user123".into(), &99.98.into()));
    let (status, body) = shell.run(find("/checkout"));
    assert_eq!((status, &body["message"]), (202, &"Checkout initiated".into()));
    let order = body["order_id"].as_str().unwrap();
    let (status, body) = shell.run(&find("ORD-ABC123").replace("ORD-ABC123", order));
    assert_eq!((status, &body["total_amount"]), (200, &99.98.into()));
    let (status, product) = shell.run(find("PROD-001"));
    assert_eq!((status, &product["price"]), (200, &149.99.into()));
    let (_, products) = shell.run(find("/products"));
    assert_eq!(products.as_array().unwrap().len(), 20);
}

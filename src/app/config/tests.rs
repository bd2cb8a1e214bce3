//! Precedence, strictness, and messages that say where and what.

use std::time::Duration;

use super::*;

fn sources(
    file: &str,
    env: &[(&str, &str)],
    flags: &[(&'static str, &'static str, &str)],
) -> Sources {
    Sources {
        files: vec![(PathBuf::from("ecom.toml"), file.to_owned())],
        env: env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        profile: None,
        flags: flags.iter().map(|(n, k, v)| (*n, *k, (*v).to_owned())).collect(),
    }
}

fn load(sources: &Sources) -> Result<Settings, String> {
    let layers = Layers::read(sources).map_err(|e| e.to_string())?;
    Settings::from_layers(&layers).map_err(|e| e.to_string())
}

#[test]
fn flags_beat_the_environment_beats_files_beats_defaults() {
    let file = "[shop]\nhold_ttl = \"1m\"\nlow_stock = 3\n[serve]\nport_base = 1000\n";
    let env = [("ECOM_SHOP_HOLD_TTL", "2m"), ("ECOM_SERVE_PORT_BASE", "2000")];
    let all = sources(file, &env, &[("port-base", "serve.port_base", "3000")]);
    let settings = load(&all).unwrap();
    assert_eq!(settings.serve.port_base, 3000);
    let shop = settings.shop();
    assert_eq!((shop.hold_ttl, shop.low_stock), (Duration::from_mins(2), 3));
    assert_eq!(shop.cart_ttl, Duration::from_hours(24));
    let layers = Layers::read(&all).unwrap();
    let origin = |key: &str| layers.all().find(|(k, ..)| *k == key).unwrap().2.to_string();
    assert_eq!(origin("serve.port_base"), "--port-base");
    assert_eq!(origin("shop.hold_ttl"), "$ECOM_SHOP_HOLD_TTL");
    assert_eq!(origin("shop.low_stock"), "ecom.toml");
    assert_eq!(origin("shop.cart_ttl"), "default");
}

#[track_caller]
fn refused(file: &str, env: &[(&str, &str)], message: &str) {
    let error = load(&sources(file, env, &[])).unwrap_err();
    assert!(error.contains(message), "{error}");
}

#[test]
fn wrong_settings_say_where_and_what() {
    refused(
        "[shop]\nhold_tll = \"1m\"",
        &[],
        "ecom.toml: shop.hold_tll: there is no such setting; did you mean shop.hold_ttl?",
    );
    refused(
        "[shop]\nhold_ttl = 3",
        &[],
        "ecom.toml: shop.hold_ttl: must be of type string, not integer",
    );
    refused(
        "[shop]\nhold_ttl = \"3 minutes\"",
        &[],
        "ecom.toml: shop.hold_ttl: \"3 minutes\" is no span of time",
    );
    refused(
        "",
        &[("ECOM_SERVE_PORT_BASE", "many")],
        "$ECOM_SERVE_PORT_BASE: serve.port_base: must be of type integer",
    );
    refused(
        "",
        &[("ECOM_SHOP_HOLD_TLL", "2m")],
        "$ECOM_SHOP_HOLD_TLL: shop.hold_tll: there is no such setting; did you mean shop.hold_ttl?",
    );
    refused("", &[("ECOM_SERVE_PORT_BASE", "65534")], "leave room for five more ports");
    refused("", &[("ECOM_SERVE_LISTEN", "0.0.0.0")], "a public address needs serve.admin = false");
    refused("[gateway]\nsuccess = 1.5", &[], "success must be between 0 and 1");
    refused("[shop]\npending_deadline = \"1m\"", &[], "must not be shorter than shop.hold_ttl");
    refused("[serve", &[], "ecom.toml: syntax:");
}

#[test]
fn variables_of_others_are_left_alone() {
    let env = [("ECOM_GATEWAY_PORT", "tcp://10.0.0.1:8000"), ("ECOM_SERVICE_HOST", "10.0.0.1")];
    assert!(load(&sources("", &env, &[])).is_ok());
}

#[test]
fn whole_numbers_are_fine_where_fractions_are() {
    let settings = load(&sources("[gateway]\nsuccess = 1", &[], &[])).unwrap();
    assert!((settings.dials().success - 1.0).abs() < f64::EPSILON);
}

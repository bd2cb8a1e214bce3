//! Servers that cannot be used: one clear line that says what, where and what to do, in time and without
//! a secret; exit code 5, or 2 if the settings alone tell.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::expect;
use crate::contract::redis::server::OwnServer;
use crate::harness::own_stack::{OwnStack, listens_twice, second};
use crate::harness::program::{Printed, Served, ecom};
use crate::harness::stack::Server;

/// How long servers are waited for.
const TIMEOUT: &str = "3s";
/// That, a start of the program, and a slow machine.
const ENDS: Duration = Duration::from_secs(25);
/// In every address with a password, and in nothing that is said.
const PASSWORD: &str = "s3cret";

/// Runs it, with a folder of its own and these variables, and expects one line that has all of `parts`.
#[track_caller]
pub(super) fn says(args: &[&str], env: &[(&str, &str)], code: i32, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = ecom();
    command.args(args).arg("--data").arg(folder.path().join("data"));
    match args[0] {
        "serve" => drop(command.args(["--port-base", "0"])),
        "simulate" => drop(command.args(["--quiet", "--users", "1"])),
        _ => {}
    }
    if !args.contains(&"--timeout") && !env.iter().any(|(name, _)| name.ends_with("_TIMEOUT")) {
        command.args(["--timeout", TIMEOUT]);
    }
    command.envs(env.iter().copied());
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, began) = (piped.spawn().unwrap(), Instant::now());
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > ENDS {
            child.kill().unwrap();
            let said = child.wait_with_output().unwrap();
            panic!("{args:?} has not ended: {}{}", said.out(), said.err());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let ran = child.wait_with_output().unwrap();
    for part in parts {
        expect(&ran, args, code, part);
    }
    let said = ran.err();
    assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
    assert!(said.starts_with("error: ") && !said.contains(PASSWORD), "{args:?}: {said}");
}

/// Runs the cases side by side: most of them wait.
fn each<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    for some in cases.chunks(4) {
        std::thread::scope(|scope| {
            for case in some {
                scope.spawn(|| check(case));
            }
        });
    }
}

/// A place where nothing listens.
pub(super) fn closed() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A place where everybody is welcome and nobody gets an answer.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let _welcome: Vec<_> = listener.incoming().collect();
    });
    place
}

/// A place where a web server is.
fn web() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut heard = [0; 1024];
                while stream.read(&mut heard).is_ok_and(|n| n > 0) {
                    let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
                    let _ = stream.write_all(answer);
                }
            });
        }
    });
    place
}

#[test]
fn a_place_where_no_such_server_is_gets_one_line() {
    let nowhere = "nosuchhost.invalid:4711".to_owned();
    let place = "check host and port";
    let refused =
        ["is a broker running there?", "is PostgreSQL running there?", "is Redis running"];
    let unknown = ["check the host name in kafka.bootstrap", place, place];
    let late = ["no answer within 3s; check", "no answer in time; check", "not answered within 3s"];
    let other =
        ["answers there is not Kafka", "there is not PostgreSQL; check", "is no redis; check"];
    let places = [
        (closed(), "refused", refused),
        (nowhere, "ame or service not known", unknown),
        (silent(), "error", late),
        (web(), "error", other),
    ];
    let mut cases = vec![];
    for (place, why, [of_kafka, of_postgres, of_redis]) in &places {
        let postgres = format!("postgres://ann:{PASSWORD}@{place}/db");
        let redis = format!("redis://ann:{PASSWORD}@{place}");
        let mut case = |args: &[&str], advice: &'static str| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            cases.push((args, place.as_str(), *why, advice));
        };
        for command in ["serve", "simulate"] {
            case(&[command, "--kafka", place], of_kafka);
            case(&[command, "--postgres", &postgres], of_postgres);
            case(&[command, "--redis", &redis], of_redis);
        }
        case(&["verify", "--postgres", &postgres, "--kafka", place], of_postgres);
    }
    each(&cases, |(args, place, why, advice)| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        says(&args, &[], 5, &[place, why, advice]);
    });
}

#[test]
fn an_address_that_is_none_is_a_mistake_before_anybody_is_asked() {
    let cases = [
        ("--kafka", "kafka://h:1", "--kafka: kafka.bootstrap: \"kafka://h:1\" is no HOST:PORT"),
        ("--kafka", "h", "write host:9092,host:9092"),
        ("--kafka", "h:1,,h:2", "\"\" is no HOST:PORT"),
        ("--kafka", "h:99999", "is no HOST:PORT"),
        ("--postgres", "http://u:s3cret@h/db", "postgres.url: it does not begin with postgres://"),
        ("--postgres", "postgres:u:s3cret@h", "write postgres://USER:PASSWORD@HOST:PORT/DATABASE"),
        ("--postgres", "postgres://u:s3cret@h:99999/db", "--postgres: postgres.url: invalid port"),
        (
            "--redis",
            "http://u:s3cret@h",
            "--redis: redis.url: Redis URL did not parse; write redis",
        ),
        ("--redis", "redis://u:s3cret@h:x", "write redis://USER:PASSWORD@HOST:PORT"),
        ("--smtp", "http://u:s3cret@h", "--smtp: smtp.url: the URL must begin with smtp://"),
        ("--smtp", "smtp://u:s3cret@h:0", "smtp.url: a port is a number"),
        ("--gateway", "ftp://u:s3cret@h", "gateway.url: must be a URL such as http://"),
        ("--gateway", "http://u:s3cret@h", "gateway.url: must be a URL such as http://"),
        ("--timeout", "soon", "timeout: \"soon\" is no span of time; write 3m"),
        ("--timeout", "0s", "--timeout: kafka.timeout: must be from 1ms to 15m"),
        ("--timeout", "16m", "--timeout: kafka.timeout: must be from 1ms to 15m"),
    ];
    each(&cases, |(flag, value, what)| {
        for command in ["serve", "simulate", "verify"] {
            says(&[command, flag, value], &[], 2, &[what]);
        }
    });
}

#[test]
fn a_setting_of_a_server_that_makes_no_sense_is_a_mistake() {
    let kafka = ("ECOM_KAFKA_BOOTSTRAP", "127.0.0.1:1");
    let user = ("ECOM_KAFKA_USER", "ann");
    let plain = ("ECOM_KAFKA_MECHANISM", "PLAIN");
    let cases: [(&[(&str, &str)], &str); 10] = [
        (&[("ECOM_KAFKA_SESSION_TIMEOUT", "6m")], "kafka.session_timeout: must be from 1s to 5m"),
        (&[("ECOM_POSTGRES_TIMEOUT", "0s")], "postgres.timeout: must be from 1ms to 15m"),
        (&[("ECOM_REDIS_TIMEOUT", "1h")], "redis.timeout: must be from 1ms to 15m"),
        (&[("ECOM_GATEWAY_REQUEST_TIMEOUT", "0s")], "gateway.request_timeout: must be from"),
        (&[("ECOM_POSTGRES_CONNECTIONS", "1")], "postgres.connections: must be at least 2"),
        (&[("ECOM_SMTP_INBOX", "ftp://h")], "smtp.inbox: the URL must begin with http://"),
        (&[("ECOM_SMS_URL", "smtp://h")], "sms.url: the URL must begin with http://"),
        (&[("ECOM_REDIS_URL", "redis://h"), ("ECOM_REDIS_PREFIX", "{a}")], "without braces"),
        (&[kafka, user, ("ECOM_KAFKA_MECHANISM", "NTLM")], "kafka.mechanism: must be one of PLAIN"),
        (&[kafka, user, plain], "kafka.password: is missing for the user ann"),
    ];
    each(&cases, |(env, what)| says(&["serve"], env, 2, &[what]));
    if !cfg!(feature = "kafka-tls") {
        let tls: [&[(&str, &str)]; 2] = [
            &[kafka, ("ECOM_KAFKA_TLS", "true")],
            &[kafka, user, ("ECOM_KAFKA_MECHANISM", "SCRAM-SHA-512")],
        ];
        each(&tls, |env| says(&["serve"], env, 2, &["cargo feature kafka-tls"]));
    }
}

#[test]
fn mail_and_payments_wait_for_their_servers_and_looking_does_not() {
    let (folder, place) = (tempfile::tempdir().unwrap(), closed());
    let (smtp, gateway) = (format!("smtp://{place}"), format!("http://{place}"));
    let flags = ["--products", "2", "--smtp", &smtp, "--gateway", &gateway];
    let mut shop = Served::start(&folder.path().join("shop"), &flags);
    assert_eq!(shop.stop(), 0);
    for place in [place, silent(), "nosuchhost.invalid:4711".into()] {
        let url = format!("http://{place}");
        let mut command = ecom();
        command.args(["gateway", "show", "--url", &url]);
        let ran = command.env("ECOM_GATEWAY_REQUEST_TIMEOUT", "1s").output().unwrap();
        expect(&ran, &["gateway", "show", &url], 5, &url);
        assert_eq!(ran.err().lines().count(), 1, "{}", ran.err());
    }
}

#[test]
fn a_redis_that_refuses_is_told_of_without_the_password() {
    if let Some(server) = OwnServer::start(&["--requirepass", "another"]) {
        let url = format!("redis+unix://{}", server.socket());
        let wrong = format!("{url}?pass={PASSWORD}");
        for url in [&url, &wrong] {
            for command in ["serve", "simulate"] {
                let what = ["refuses this user or password", "check redis.url", &server.socket()];
                says(&[command, "--redis", url], &[], 5, &what);
            }
        }
        let mut command = ecom();
        let shown = command.args(["config", "show"]).env("ECOM_REDIS_URL", &wrong);
        assert!(!shown.output().unwrap().out().contains(PASSWORD));
    }
    let Some(url) = Server::Redis.address_or_skip() else { return };
    // On a server that wants no password there is no such user.
    let unknown = url.replace("redis://", &format!("redis://ann:{PASSWORD}@"));
    says(&["serve", "--redis", &unknown], &[], 5, &["refuses this user or password"]);
    let no_such = format!("{url}/4711");
    says(&["serve", "--redis", &no_such], &[], 5, &["redis at ", "DB index is out of range"]);
}

/// Settings of a broker that lets users in at a second port and has given none of them any right.
fn no_rights(port: u16) -> String {
    let secure = format!("127.0.0.1:{}", second(port));
    let listeners = listens_twice(port, "USERS:SASL_PLAINTEXT", &secure);
    format!(
        "{listeners}\
         sasl.enabled.mechanisms=PLAIN\n\
         listener.name.users.plain.sasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required user_ann=\"{PASSWORD}\";\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n"
    )
}

#[test]
fn a_kafka_user_without_rights_or_with_a_wrong_password_is_told_so() {
    let Some(stack) = OwnStack::kafka(1, no_rights) else { return };
    let plain = stack.bootstrap();
    let port: u16 = plain.rsplit(':').next().unwrap().parse().unwrap();
    let secure = format!("127.0.0.1:{}", second(port));
    let login = |password| {
        let plain = ("ECOM_KAFKA_MECHANISM", "PLAIN");
        [("ECOM_KAFKA_USER", "ann"), plain, ("ECOM_KAFKA_PASSWORD", password)]
    };
    for command in ["serve", "simulate"] {
        let right = ["Kafka at ", &secure, "creating topic", "the Kafka user needs that right"];
        says(&[command, "--kafka", &secure], &login(PASSWORD), 5, &right);
    }
    let wrong = ["Kafka at ", &secure, "check kafka.user, kafka.password"];
    says(&["serve", "--kafka", &secure], &login("s3cret-but-wrong"), 5, &wrong);
    let nobody = ["Kafka at ", &secure, "are kafka.tls and kafka.user as it wants them?"];
    says(&["serve", "--kafka", &secure], &[], 5, &nobody);
    let Some(postgres) = Server::Postgres.address_or_skip() else { return };
    let postgres = super::postgres::complete(&postgres);
    let unseen = ["Kafka at ", &secure, "can be seen", "may describe and read the shop's topics"];
    let verify = ["verify", "--kafka", &secure, "--postgres", &postgres];
    says(&verify, &login(PASSWORD), 5, &unseen);
}

//! Where a database is, as its URL says.

use sqlx::postgres::PgConnectOptions;

/// A URL taken apart. What is wrong with it is said without repeating it: a password may be in it.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, String> {
    let advice = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %XX for what is special";
    let is_postgres = ["postgres://", "postgresql://"].iter().any(|known| url.starts_with(known));
    if !is_postgres {
        return Err(format!("it does not begin with postgres://; {advice}"));
    }
    url.parse().map_err(|e: sqlx::Error| match e {
        sqlx::Error::Configuration(e) => format!("{e}; {advice}"),
        e => format!("{e}; {advice}"),
    })
}

/// Where a database is, without its password.
pub(super) fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("{}:{}/{database}", options.get_host(), options.get_port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_place_or_an_error_without_the_password() {
        let found = parse("postgres://ann:s3cret@db:5433/shop?sslmode=disable").unwrap();
        assert_eq!(place(&found), "db:5433/shop");
        assert_eq!(place(&parse("postgresql://ann@db").unwrap()), "db:5432/ann");
        for bad in [
            "",
            "db:5432",
            "postgres:ann:s3cret@db",
            "http://ann:s3cret@db/shop",
            "postgres://ann:s3cret@db:99999/shop",
            "postgres://ann:s3cret@db:x/shop",
            "postgres://ann:s3cret%zz@[::/shop",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(
                error.contains("write postgres://USER") && !error.contains("s3cret"),
                "{error}"
            );
        }
    }
}

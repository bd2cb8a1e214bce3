//! A filter's words as an expression.

use super::lexer::{Placed, Token, words, wrong};
use super::{Check, Compare, Expr, FilterError, Literal, Number, Pattern, Place, Step};

/// Parentheses and negations within each other: each is a call of its own.
const DEPTH_MAX: usize = 32;
/// Memory of a compiled pattern, in bytes: the text of a filter comes from anybody.
const PATTERN_BYTES_MAX: usize = 1 << 20;

pub(super) fn parse(text: &str) -> Result<Expr, FilterError> {
    let mut parser = Parser { text, words: words(text)?, next: 0, depth: 0 };
    let expr = parser.or()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.wrong("expected && or || or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    words: Vec<Placed>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.words[self.next].1
    }

    /// Takes the next word; the end is never passed.
    fn take(&mut self) -> Token {
        let word = self.words[self.next].1.clone();
        self.next = (self.next + 1).min(self.words.len() - 1);
        word
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.peek(), Token::Sign(next) if *next == sign);
        if is_next {
            self.take();
        }
        is_next
    }

    /// What is wrong at the next word.
    fn wrong(&self, what: impl Into<String>) -> FilterError {
        wrong(self.text, self.words[self.next].0, what)
    }

    /// What is wrong at the word that was just taken.
    fn wrong_before(&self, what: impl Into<String>) -> FilterError {
        wrong(self.text, self.words[self.next.saturating_sub(1)].0, what)
    }

    fn or(&mut self) -> Result<Expr, FilterError> {
        let mut left = self.and()?;
        while self.takes("||") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, FilterError> {
        let mut left = self.not()?;
        while self.takes("&&") {
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, FilterError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.wrong(format!("more than {DEPTH_MAX} levels of ! and parentheses")));
        }
        self.depth += 1;
        let expr = if self.takes("!") {
            Expr::Not(Box::new(self.not()?))
        } else if self.takes("(") {
            let inner = self.or()?;
            if !self.takes(")") {
                return Err(self.wrong("expected && or || or )"));
            }
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn test(&mut self) -> Result<Expr, FilterError> {
        let place = self.place()?;
        let compare = match self.peek() {
            Token::Sign("==") => Compare::Equal,
            Token::Sign("!=") => Compare::Unequal,
            Token::Sign("<") => Compare::Less,
            Token::Sign("<=") => Compare::LessOrEqual,
            Token::Sign(">") => Compare::Greater,
            Token::Sign(">=") => Compare::GreaterOrEqual,
            Token::Sign("=~") => {
                self.take();
                return Ok(Expr::Test(place, Check::Matches(self.pattern()?)));
            }
            Token::Sign("!~") => {
                self.take();
                return Ok(Expr::Test(place, Check::MatchesNot(self.pattern()?)));
            }
            _ => return Ok(Expr::Test(place, Check::There)),
        };
        self.take();
        let literal = self.literal(&place)?;
        Ok(Expr::Test(place, Check::Compare(compare, literal)))
    }

    fn place(&mut self) -> Result<Place, FilterError> {
        const PLACES: &str = "key, value, header.NAME, topic, partition, offset or timestamp";
        let name = match self.peek() {
            Token::Name(name) => name.clone(),
            Token::End => return Err(self.wrong(format!("expected {PLACES}"))),
            _ => return Err(self.wrong(format!("a test begins with {PLACES}"))),
        };
        let place = match name.as_str() {
            "topic" => Place::Topic,
            "partition" => Place::Partition,
            "offset" => Place::Offset,
            "timestamp" => Place::Timestamp,
            "key" => Place::Key,
            "value" => Place::Value(vec![]),
            "header" => Place::Header(String::new()),
            _ => return Err(self.wrong(format!("{name:?} is none of {PLACES}"))),
        };
        self.take();
        match place {
            Place::Value(_) => {
                let mut steps = vec![];
                while let Some(step) = self.step()? {
                    steps.push(step);
                }
                Ok(Place::Value(steps))
            }
            Place::Header(_) => match self.step()? {
                Some(Step::Field(name)) => Ok(Place::Header(name)),
                Some(Step::Index(_)) => Err(self.wrong_before("headers have names, not numbers")),
                None => Err(self.wrong("name a header: header.NAME or header[\"NAME\"]")),
            },
            _ if matches!(self.peek(), Token::Sign("." | "[")) => {
                Err(self.wrong(format!("{name} has no parts; value.NAME has, and header.NAME")))
            }
            place => Ok(place),
        }
    }

    /// A step into what was named, if there is one.
    fn step(&mut self) -> Result<Option<Step>, FilterError> {
        if self.takes(".") {
            return match self.peek().clone() {
                Token::Name(name) | Token::Text(name) | Token::Number(name) => {
                    self.take();
                    Ok(Some(Step::Field(name)))
                }
                _ => Err(self.wrong("expected a name after the point")),
            };
        }
        if !self.takes("[") {
            return Ok(None);
        }
        let step = match self.peek().clone() {
            Token::Text(name) => Step::Field(name),
            Token::Number(digits) => match digits.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => return Err(self.wrong("a place in a list is a number from 0")),
            },
            _ => return Err(self.wrong("expected a number or a quoted name")),
        };
        self.take();
        if !self.takes("]") {
            return Err(self.wrong("expected ]"));
        }
        Ok(Some(step))
    }

    fn literal(&mut self, place: &Place) -> Result<Literal, FilterError> {
        let is_time = *place == Place::Timestamp;
        let literal = match self.peek() {
            Token::Text(text) if is_time => match text.parse() {
                Ok(time) => Literal::Time(time),
                Err(_) => return Err(self.wrong("write a time as \"2026-01-31T12:00:00Z\"")),
            },
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Number(digits) => match Number::parse(digits) {
                Some(number) => Literal::Number(number),
                None => return Err(self.wrong("this is no number; text stands between quotes")),
            },
            Token::Name(name) if name == "true" => Literal::Bool(true),
            Token::Name(name) if name == "false" => Literal::Bool(false),
            Token::Name(name) if name == "null" => Literal::Null,
            Token::Name(_) => return Err(self.wrong("text stands between quotes")),
            _ => return Err(self.wrong("expected text in quotes, a number, true, false or null")),
        };
        self.take();
        Ok(literal)
    }

    fn pattern(&mut self) -> Result<Pattern, FilterError> {
        let Token::Text(text) = self.peek() else {
            return Err(self.wrong("expected a pattern in quotes"));
        };
        let built = regex::bytes::RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build();
        let pattern = built.map_err(|e| {
            // Its own picture of where is many lines; the last says what.
            let told = e.to_string();
            let what = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
            self.wrong(format!("the pattern is wrong: {what}"))
        })?;
        self.take();
        Ok(Pattern(pattern))
    }
}

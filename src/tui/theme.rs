//! Colours by meaning. Nothing is told by colour alone.

use ratatui::style::{Color, Modifier, Style};

use crate::domain::closed_set::closed_set;

closed_set! {
    /// A set of colours.
    ThemeName {
        /// For a dark background.
        Dark = "dark",
        /// For a light background.
        Light = "light",
        /// Bold black, white and basic colours.
        Contrast = "contrast",
        /// No colour at all: bold, dim, underlined and reversed only.
        Plain = "plain",
    }
}

/// What a piece of text means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// Beside the point.
    Dim,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// A name, a key, a heading.
    Accent,
    /// The row under the cursor.
    Cursor,
    /// A row that is marked.
    Marked,
}

impl ThemeName {
    /// How text of this meaning looks.
    pub fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        match tone {
            Tone::Plain => plain,
            Tone::Cursor => plain.add_modifier(Modifier::REVERSED),
            Tone::Dim => match self {
                Self::Contrast => plain,
                Self::Light => plain.fg(Color::DarkGray),
                Self::Dark => plain.fg(Color::Gray).add_modifier(Modifier::DIM),
                Self::Plain => plain.add_modifier(Modifier::DIM),
            },
            Tone::Marked | Tone::Accent if self == Self::Plain => bold,
            Tone::Good if self == Self::Plain => plain,
            Tone::Warn if self == Self::Plain => plain.add_modifier(Modifier::UNDERLINED),
            Tone::Bad if self == Self::Plain => bold.add_modifier(Modifier::UNDERLINED),
            Tone::Good => self.coloured(Color::LightGreen, Color::Green),
            Tone::Warn => self.coloured(Color::LightYellow, Color::Rgb(150, 90, 0)),
            Tone::Bad => self.coloured(Color::LightRed, Color::Red).add_modifier(Modifier::BOLD),
            Tone::Accent => self.coloured(Color::LightCyan, Color::Blue),
            Tone::Marked => self.coloured(Color::LightMagenta, Color::Magenta),
        }
    }

    fn coloured(self, dark: Color, light: Color) -> Style {
        let colour = if self == Self::Light { light } else { dark };
        let style = Style::new().fg(colour);
        if self == Self::Contrast { style.add_modifier(Modifier::BOLD) } else { style }
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|name| *name == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TONES: [Tone; 8] = [
        Tone::Plain,
        Tone::Dim,
        Tone::Good,
        Tone::Warn,
        Tone::Bad,
        Tone::Accent,
        Tone::Cursor,
        Tone::Marked,
    ];

    #[test]
    fn the_plain_theme_has_no_colour() {
        for tone in TONES {
            let style = ThemeName::Plain.style(tone);
            assert_eq!((style.fg, style.bg), (None, None), "{tone:?}");
        }
    }

    #[test]
    fn what_is_bad_looks_unlike_what_is_good_in_every_theme() {
        for theme in ThemeName::ALL {
            assert_ne!(theme.style(Tone::Bad), theme.style(Tone::Good), "{theme}");
            assert_ne!(theme.style(Tone::Cursor), theme.style(Tone::Plain), "{theme}");
        }
    }

    #[test]
    fn themes_come_in_turn() {
        let mut seen = vec![];
        let mut theme = ThemeName::Dark;
        for _ in ThemeName::ALL {
            seen.push(theme);
            theme = theme.next();
        }
        assert_eq!(theme, ThemeName::Dark);
        assert_eq!(seen.len(), 4);
    }
}

//! A vCard as far as stories look into it: its lines, unfolded, in their order.

/// One line of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The whole line, unfolded.
    pub text: String,
}

impl Line {
    /// The property's name, in capitals and without its group.
    pub fn name(&self) -> String {
        let head = self.head();
        let name = head.split(';').next().unwrap_or_default();
        name.rsplit('.').next().unwrap_or_default().to_ascii_uppercase()
    }

    /// The value as it stands.
    pub fn raw(&self) -> &str {
        &self.text[(self.head().len() + 1).min(self.text.len())..]
    }

    /// The components of the value, without escapes.
    pub fn parts(&self) -> Vec<String> {
        let mut parts = vec![String::new()];
        let mut characters = self.raw().chars();
        while let Some(character) = characters.next() {
            let part = parts.last_mut().expect("there is always one part");
            match character {
                ';' => parts.push(String::new()),
                '\\' => match characters.next() {
                    Some('n' | 'N') => part.push('\n'),
                    Some(other) => part.push(other),
                    None => {}
                },
                other => part.push(other),
            }
        }
        parts
    }

    /// True if a parameter says so, as in `TYPE=WORK`.
    pub fn says(&self, word: &str) -> bool {
        let head = self.head().to_ascii_lowercase();
        head.split([';', ',', '=', '"']).skip(1).any(|said| said == word)
    }

    fn head(&self) -> &str {
        let mut quoted = false;
        let end = self.text.find(|character| {
            quoted ^= character == '"';
            character == ':' && !quoted
        });
        &self.text[..end.unwrap_or(self.text.len())]
    }
}

/// A card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its lines, unfolded.
    pub lines: Vec<Line>,
}

impl Card {
    /// Reads a card.
    pub fn read(text: &str) -> Card {
        let mut lines: Vec<Line> = Vec::new();
        for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
            match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
                (Some(more), Some(last)) => last.text.push_str(more),
                _ if line.is_empty() => {}
                _ => lines.push(Line { text: line.to_owned() }),
            }
        }
        Card { lines }
    }

    /// A new card with a name and an address; `more` are whole lines.
    pub fn of(uid: &str, given: &str, family: &str, email: &str, more: &[&str]) -> Card {
        let mut text = format!(
            "BEGIN:VCARD\nVERSION:3.0\nUID:{uid}\nFN:{given} {family}\nN:{family};{given};;;\nEMAIL;TYPE=INTERNET:{email}\n"
        );
        for line in more {
            text.push_str(line);
            text.push('\n');
        }
        Card::read(&(text + "END:VCARD\n"))
    }

    /// The text of the card; long lines are not folded, which every server takes.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{}\r\n", line.text)).collect()
    }

    /// The first line that has this name.
    pub fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name() == name)
    }

    /// Puts `value` in the place of the first line of this name, or at the end. The value is text without escapes.
    pub fn set(&mut self, name: &str, value: &str) {
        self.set_raw(name, &value.replace(',', "\\,").replace(';', "\\;"));
    }

    /// The same with a value that is escaped already.
    pub fn set_raw(&mut self, name: &str, value: &str) {
        let line = Line { text: format!("{name}:{value}") };
        let at = self.lines.iter().position(|line| line.name() == name);
        match at {
            Some(at) => self.lines[at] = line,
            None => self.lines.insert(self.lines.len() - 1, line),
        }
    }

    /// The value of a field that both applications know.
    pub fn field(&self, name: &str) -> Option<String> {
        let telephone = |word: &str| {
            let mut lines = self.lines.iter().filter(|line| line.name() == "TEL");
            lines
                .find(|line| line.says(word) && (word == "cell" || !line.says("cell")))
                .map(|line| line.raw().to_owned())
        };
        let part = |name: &str, at: usize| self.line(name).and_then(|line| line.parts().get(at).cloned());
        let value = match name {
            "email" => part("EMAIL", 0),
            "given" => part("N", 1),
            "family" => part("N", 0),
            "company" => part("ORG", 0),
            "title" => part("TITLE", 0),
            "work" => telephone("work"),
            "mobile" => telephone("cell"),
            "url" => self.line("URL").map(|line| line.raw().to_owned()),
            _ => None,
        };
        value.filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::Card;

    #[test]
    fn a_card_is_unfolded_and_looked_into() {
        let card = Card::read(
            "BEGIN:VCARD\r\nitem1.EMAIL;TYPE=\"a:b\",INTERNET:a\r\n @example.com\r\nN:Lo\\;ve;Ada;;;\r\n\
             TEL;TYPE=work,cell:1\r\nTEL;TYPE=WORK:2\r\nEND:VCARD\r\n",
        );
        let values = ["email", "family", "given", "mobile", "work", "title"].map(|field| card.field(field));
        let expected = [Some("a@example.com"), Some("Lo;ve"), Some("Ada"), Some("1"), Some("2"), None];
        assert_eq!(values, expected.map(|value| value.map(str::to_owned)));
    }
}

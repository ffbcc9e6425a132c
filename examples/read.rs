//! Prints any CMC message, certificate request or certificate: `read FILE`

use nss_cmc::inspect::{self, Item};

fn print(name: &str, item: &Item, depth: usize) {
    let indent = "  ".repeat(depth);
    match item {
        Item::Null => {}
        Item::Flag(value) => println!("{indent}{name}: {value}"),
        Item::Text(text) | Item::Short(text, _) => println!("{indent}{name}: {text}"),
        Item::List(items) => items.iter().for_each(|item| print(name, item, depth)),
        Item::Fields(fields) => {
            println!("{indent}{name}:");
            fields.iter().for_each(|(name, item)| print(name, item, depth + 1));
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("read FILE")?;
    let message = inspect::read(&std::fs::read(file)?)?;
    print(message.form.title(), &message.parts, 0);
    message.warnings.iter().for_each(|warning| println!("warning: {warning}"));
    Ok(())
}

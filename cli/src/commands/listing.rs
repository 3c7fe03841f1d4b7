//! What all listings have in common: ask, and print the rows as they come.

use crate::{
    args::PlaceArgs,
    connect::{self, Need, Services},
    failure::Result,
    output::{Format, Printer, Row, stdout},
    progress,
};
use tonic::{Response, Status, Streaming};

/// Asks the services at a place and prints the rows of the answer. A table for people says so when there are none.
pub async fn print<B, R, I, F>(
    place: &PlaceArgs,
    format: Format,
    ask: impl FnOnce(Services) -> F,
    rows: impl Fn(B) -> I,
) -> Result<()>
where
    R: Row,
    I: IntoIterator<Item = R>,
    F: Future<Output = Result<Response<Streaming<B>>, Status>>,
{
    connect::with(&place.place()?, Need::Answers, async |services| {
        let printed = print_rows(ask(services).await?.into_inner(), format, rows).await?;
        if printed == 0 && matches!(format, Format::Table | Format::Wide) {
            progress::say(&format!("no {}", R::NOUN));
        }
        Ok(())
    })
    .await
}

/// Prints the rows of an answer as they come, and gives their number.
pub async fn print_rows<B, R, I>(
    mut answer: Streaming<B>,
    format: Format,
    mut rows: impl FnMut(B) -> I,
) -> Result<u64>
where
    R: Row,
    I: IntoIterator<Item = R>,
{
    let mut printer = Printer::new(format, stdout())?;
    while let Some(batch) = answer.message().await? {
        for row in rows(batch) {
            printer.push(&row)?;
        }
    }
    Ok(printer.finish()?)
}

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
        let mut answer = ask(services).await?.into_inner();
        let mut printer = Printer::new(format, stdout())?;
        while let Some(batch) = answer.message().await? {
            for row in rows(batch) {
                printer.push(&row)?;
            }
        }
        if printer.finish()? == 0 && matches!(format, Format::Table | Format::Wide) {
            progress::say(&format!("no {}", R::NOUN));
        }
        Ok(())
    })
    .await
}

//! What all listings have in common: ask, and print the rows as they come.

use crate::{
    args::{OutputArgs, PlaceArgs, RootArgs, ScopeArgs},
    connect::{self, Need, Services},
    failure::Result,
    output::{Format, Printer, Row, counted, stdout},
    progress,
};
use coldread_model::Parts;
use coldread_proto::v1::{AssetsRequest, Scope};
use tonic::{Response, Status, Streaming};

/// What rows are of: parts of what there is to know, of these snapshots.
pub type About = (Parts, Scope);

/// What every listing of a part takes: which assets and trees it is of, how it is printed, and who answers.
#[derive(Debug, clap::Args)]
pub struct ListingArgs {
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

impl ListingArgs {
    /// The snapshots that are asked about.
    pub fn scope(&self) -> Scope {
        self.scope.clone().scope()
    }

    /// The trees that are asked about, as a pattern.
    pub fn root(&self) -> String {
        self.root.root.clone()
    }

    /// Asks, and prints the rows of the answer, which are of these parts ([`print()`]).
    pub async fn print<B, R, I, F>(
        &self,
        parts: Parts,
        ask: impl FnOnce(Services) -> F,
        rows: impl Fn(B) -> I,
    ) -> Result<()>
    where
        R: Row,
        I: IntoIterator<Item = R>,
        F: Future<Output = Result<Response<Streaming<B>>, Status>>,
    {
        print(&self.place, self.output.output, Some((parts, self.scope())), ask, rows).await
    }
}

/// Asks the services at a place and prints the rows of the answer. A table for people says so when there are none; and
/// where nobody looked for such rows, or there is no asset to have any, every format does, of some of the assets too:
/// nothing found is not nothing read.
pub async fn print<B, R, I, F>(
    place: &PlaceArgs,
    format: Format,
    about: Option<About>,
    ask: impl FnOnce(Services) -> F,
    rows: impl Fn(B) -> I,
) -> Result<()>
where
    R: Row,
    I: IntoIterator<Item = R>,
    F: Future<Output = Result<Response<Streaming<B>>, Status>>,
{
    connect::with(&place.place()?, Need::Answers, async |services| {
        let printed = print_rows(ask(services.clone()).await?.into_inner(), format, rows).await?;
        let mut start = if printed == 0 { format!("no {}: ", R::NOUN) } else { String::new() };
        let mut told = false;
        if let Some((parts, scope)) = about {
            if printed == 0
                && let Some(why) = nobody(&services, &scope).await?
            {
                progress::say(&format!("{}{why}", std::mem::take(&mut start)));
                told = true;
            }
            for part in parts.only() {
                let count = assets(&services, scope.clone(), part.name()).await?;
                if count > 0 {
                    let (assets, part) = (counted(count, "asset"), part.name());
                    let start = std::mem::take(&mut start);
                    progress::say(&format!("{start}the scans of {assets} were not asked for {part}"));
                    told = true;
                }
            }
        }
        if !told && printed == 0 && matches!(format, Format::Table | Format::Wide) {
            progress::say(&format!("no {}", R::NOUN));
        }
        Ok(())
    })
    .await
}

/// Why an answer is empty, where no asset could have a part in it.
pub async fn nobody(services: &Services, scope: &Scope) -> Result<Option<&'static str>> {
    let none = assets(services, scope.clone(), "").await? == 0;
    let why = if scope.asset.is_empty() { "nothing was scanned yet" } else { "no asset's name matches" };
    Ok(none.then_some(why))
}

/// How many assets there are, or of how many nobody asked for a part.
async fn assets(services: &Services, scope: Scope, lacking: &str) -> Result<u64> {
    let request = AssetsRequest { scope: Some(scope), lacking: lacking.to_owned() };
    let mut answer = services.query().assets(request).await?.into_inner();
    let mut count = 0;
    while let Some(batch) = answer.message().await? {
        count += batch.assets.len() as u64;
    }
    Ok(count)
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

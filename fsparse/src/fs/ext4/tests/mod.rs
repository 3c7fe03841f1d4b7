//! Tests on images that mkfs makes on the spot. They print why where they cannot run.

mod copies;
mod cut;
mod damage;
mod features;
mod image;
mod journal;
mod kernel;
mod whole;

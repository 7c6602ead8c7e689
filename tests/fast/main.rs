mod docs;
mod layers;

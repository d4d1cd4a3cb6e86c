//! A new migration file changes what `sqlx::migrate!` embeds, which cargo cannot see by itself.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}

# https://just.systems; every recipe is one or two commands that can be typed by hand.

# What is quick enough to run before every commit.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# The whole suite; as root it also makes and mounts filesystems.
test:
    cargo test --workspace

# Criterion benches.
bench:
    cargo bench --workspace

# Coldread and its peers side by side, into benches/results (root).
compare *arguments:
    cargo run --release -p benches --features peers -- compare {{arguments}}

# Makes samples/server.img.zst and samples/expected.json anew (root).
sample:
    cargo run -p xtask -- sample-disk --out samples/server.img.zst

# Everything that must hold before a change lands.
ci:
    .ci/run

# Fuzzes one target (fuzz/README.md lists them) on the stable toolchain for so many seconds.
fuzz target seconds="1200":
    mkdir -p fuzz/corpus/{{target}}
    cd fuzz && cargo run --release --bin {{target}} -- -max_total_time={{seconds}} -timeout=10 -rss_limit_mb=700 -len_control=10 -max_len=512 corpus/{{target}}

#!/usr/bin/env bash
# Draws the pictures of the documents: docs/img/*.svg as the exporter draws them, and of every page that docs/page.md shows
# what Chromium shows of it. The pages' tests take the pictures as they go, so a picture is of something that was checked.
# Look at them before they are committed: target/pictures has all, also those that no document shows.
set -euo pipefail
cd "$(dirname "$0")/.."

UPDATE_GOLDEN=1 cargo test --locked --quiet --lib render::export::tests::the_pictures_in_the_documentation_are_fresh
rm -rf target/pictures && mkdir -p target/pictures
GALLEY_TEST_PICTURES="$PWD/target/pictures" tools/test.sh --test page
shown="$(grep -oE 'img/page-[a-z0-9-]+\.png' docs/page.md | sort -u)"
rm -f docs/img/page-*.png
for picture in $shown; do
    cp "target/pictures/${picture#img/}" "docs/$picture"
    echo "docs/$picture"
done

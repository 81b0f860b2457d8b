// What is shipped, compiled from nothing: half a minute of work that says nothing of a change to the janitor.
module github.com/hyphagraph/token-janitor/tools/supply

go 1.26.0

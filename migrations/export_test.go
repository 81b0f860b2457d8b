package migrations

// Parse is for the fuzz target: tests of this package are outside it, because pgtemp imports it.
var Parse = parse

// Supported is supported, for tests.
var Supported = supported

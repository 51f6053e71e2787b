// Package gojson says how Go types look in JSON, for guests and for the host: the
// names in struct tags, and the JSON Schema of a type. It writes JSON by hand, and
// imports no codec: a guest whose handlers are all raw carries none.
package gojson

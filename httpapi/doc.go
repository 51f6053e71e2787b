// Package httpapi serves tasks and modules over HTTP. [New] returns an
// http.Handler to mount where you like; it does not listen.
//
// Every route but /healthz and /readyz needs a credential, sent as
// "Authorization: Bearer SECRET". Errors are problem documents (RFC 9457) with a
// stable code; what goes wrong inside is logged and never described to the
// client. A request may wait for a task to end, for five minutes at most: the
// server's WriteTimeout must be longer, and [Config.Stopping] should be closed when
// it is about to stop. The OpenAPI document at /openapi.json is generated from the
// handlers.
package httpapi

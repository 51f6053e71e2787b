// Package httpapi serves tasks and modules over HTTP. [New] returns an
// http.Handler to mount where you like; it does not listen.
//
// Every route but /healthz and /readyz needs a credential, sent as
// "Authorization: Bearer SECRET". Errors are problem documents (RFC 9457) with a
// stable code; what goes wrong inside is logged and never described to the
// client. The OpenAPI document at /openapi.json is generated from the handlers.
package httpapi

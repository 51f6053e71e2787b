package httpapi

import (
	"net/http"
	"strings"
)

// maxSecretBytes bounds a credential.
const maxSecretBytes = 512

// authenticated lets only requests with a valid credential through.
func (a *api) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || secret == "" || len(secret) > maxSecretBytes {
			unauthorized(w, "this needs a credential: send \"Authorization: Bearer SECRET\"; the server's first one is in the file \"token\" of its data directory")
			return
		}
		_, ok, err := a.Auth.Authenticate(r.Context(), secret)
		if err != nil {
			writeProblem(w, a.problem(r.Context(), err))
			return
		}
		if !ok {
			unauthorized(w, "the credential is not known, or no longer valid")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func unauthorized(w http.ResponseWriter, detail string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="taskhost"`)
	writeProblem(w, problemf(http.StatusUnauthorized, "unauthorized", "%s", detail))
}

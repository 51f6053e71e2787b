package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/modules"
)

// uploadTimeout bounds how long a module may take to arrive.
const uploadTimeout = 5 * time.Minute

func (a *api) registerModules(routes huma.API) {
	huma.Register(routes, huma.Operation{
		OperationID: "push-module",
		Method:      http.MethodPost,
		Path:        "/v1/modules/{name}",
		Summary:     "Push a module",
		Description: "Verifies a module, stores it as the next version of its name and makes it live. " +
			"A WASI command becomes one task, of the module's name.",
		Tags:            []string{"modules"},
		DefaultStatus:   http.StatusCreated,
		MaxBodyBytes:    modules.MaxBytes + 1,
		BodyReadTimeout: uploadTimeout,
	}, a.handleModulePush)
	huma.Register(routes, huma.Operation{
		OperationID: "list-modules",
		Method:      http.MethodGet,
		Path:        "/v1/modules",
		Summary:     "List modules",
		Description: "Answers with the live version of each module.",
		Tags:        []string{"modules"},
	}, a.handleModuleList)
	huma.Register(routes, huma.Operation{
		OperationID: "list-module-versions",
		Method:      http.MethodGet,
		Path:        "/v1/modules/{name}",
		Summary:     "List a module's versions, newest first",
		Tags:        []string{"modules"},
	}, a.handleModuleVersions)
	huma.Register(routes, huma.Operation{
		OperationID: "release-module",
		Method:      http.MethodPost,
		Path:        "/v1/modules/{name}/release",
		Summary:     "Release a module from quarantine",
		Description: "Has all nodes run a module again whose sandbox workers died several times in a row. " +
			"Its tasks that wait go on within half a minute. Answers with the versions that were in quarantine.",
		Tags: []string{"modules"},
	}, a.handleModuleRelease)
}

type pushInput struct {
	Name    string `path:"name" doc:"The module's name: 1 to 63 of a-z, 0-9, '.', '_' and '-'."`
	RawBody []byte `contentType:"application/wasm"`
}

type pushOutput struct {
	Body *modules.Version
}

// handleModulePush answers POST /v1/modules/{name}.
func (a *api) handleModulePush(ctx context.Context, in *pushInput) (*pushOutput, error) {
	// huma uses the body's memory again; a compiled module may refer to it.
	version, err := a.Modules.Push(ctx, in.Name, bytes.Clone(in.RawBody))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &pushOutput{version}, nil
}

type modulesOutput struct {
	Body struct {
		Modules []modules.Version `json:"modules"`
	}
}

// handleModuleList answers GET /v1/modules.
func (a *api) handleModuleList(ctx context.Context, _ *struct{}) (*modulesOutput, error) {
	versions, err := a.Modules.List(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := new(modulesOutput)
	out.Body.Modules = versions
	return out, nil
}

type moduleInput struct {
	Name string `path:"name" doc:"The module's name."`
}

type versionsOutput struct {
	Body struct {
		Versions []modules.Version `json:"versions"`
	}
}

// handleModuleVersions answers GET /v1/modules/{name}.
func (a *api) handleModuleVersions(ctx context.Context, in *moduleInput) (*versionsOutput, error) {
	versions, err := a.Modules.Versions(ctx, in.Name)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := new(versionsOutput)
	out.Body.Versions = versions
	return out, nil
}

type releaseInput struct {
	Name    string `path:"name" doc:"The module's name."`
	Version int    `query:"version" minimum:"0" doc:"The version to release. Defaults to all."`
}

type releaseOutput struct {
	Body struct {
		Released []int `json:"released" doc:"The versions that were in quarantine."`
	}
}

// handleModuleRelease answers POST /v1/modules/{name}/release.
func (a *api) handleModuleRelease(ctx context.Context, in *releaseInput) (*releaseOutput, error) {
	released, err := a.Health.ReleaseModule(ctx, in.Name, in.Version)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := new(releaseOutput)
	out.Body.Released = released
	return out, nil
}

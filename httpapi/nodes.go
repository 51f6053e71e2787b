package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/taskhost/taskhost/task"
)

func (a *api) registerNodes(routes huma.API) {
	huma.Register(routes, huma.Operation{
		OperationID: "list-nodes",
		Method:      http.MethodGet,
		Path:        "/v1/nodes",
		Summary:     "List the processes that work tasks",
		Description: "Answers with those that work the database, and those that died lately, the oldest first.",
		Tags:        []string{"nodes"},
	}, a.handleNodeList)
	huma.Register(routes, huma.Operation{
		OperationID: "drain-node",
		Method:      http.MethodPost,
		Path:        "/v1/nodes/{id}/drain",
		Summary:     "Have a node start nothing more",
		Description: "What runs there goes on; the state of the node is draining until nothing does, and then drained. " +
			"Another node takes what comes, if there is one. A process that is started anew is another node.",
		Tags:          []string{"nodes"},
		DefaultStatus: http.StatusNoContent,
	}, a.handleNodeDrain)
	huma.Register(routes, huma.Operation{
		OperationID:   "undrain-node",
		Method:        http.MethodPost,
		Path:          "/v1/nodes/{id}/undrain",
		Summary:       "Have a node start tasks again",
		Tags:          []string{"nodes"},
		DefaultStatus: http.StatusNoContent,
	}, a.handleNodeUndrain)
}

type nodesOutput struct {
	Body struct {
		Nodes []task.Node `json:"nodes"`
	}
}

// handleNodeList answers GET /v1/nodes.
func (a *api) handleNodeList(ctx context.Context, _ *struct{}) (*nodesOutput, error) {
	nodes, err := a.Health.Nodes(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := new(nodesOutput)
	out.Body.Nodes = nodes
	return out, nil
}

type nodeInput struct {
	ID string `path:"id" maxLength:"200" doc:"The node's id."`
}

// handleNodeDrain answers POST /v1/nodes/{id}/drain.
func (a *api) handleNodeDrain(ctx context.Context, in *nodeInput) (*struct{}, error) {
	if err := a.Health.Drain(ctx, in.ID); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // no content
}

// handleNodeUndrain answers POST /v1/nodes/{id}/undrain.
func (a *api) handleNodeUndrain(ctx context.Context, in *nodeInput) (*struct{}, error) {
	if err := a.Health.Undrain(ctx, in.ID); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // no content
}

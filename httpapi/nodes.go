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

package hub

import "context"

// Client is who waits for an answer, where the context does not end when it leaves.
type Client interface {
	// Left says whether the client has certainly left. It does not block.
	Left() bool
}

type clientKey struct{}

// WithClient has what is done with the context know its client.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientOf is the client of a context, nil where the context itself tells.
func ClientOf(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}

package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"liaison/auth"
	"liaison/collections"
)

// Queue lists what waits in an operation; zero fields of q select all.
func (c *Client) Queue(ctx context.Context, op auth.OperationID, q collections.KeptQuery) (WaitingPage, error) {
	v := url.Values{}
	for name, value := range map[string]string{"kind": string(q.Kind), "publisher": string(q.Publisher), "batch": string(q.Batch)} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.After > 0 {
		v.Set("after", strconv.FormatInt(int64(q.After), 10))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return call[WaitingPage](ctx, c, http.MethodGet, path("operations", op, "queue")+"?"+v.Encode(), nil)
}

// Waiting gives one of them with its bytes.
func (c *Client) Waiting(ctx context.Context, op auth.OperationID, key collections.KeptKey) (Waiting, error) {
	return call[Waiting](ctx, c, http.MethodGet, path("operations", op, "queue", "objects", key), nil)
}

// Release lets some go into their collections.
func (c *Client) Release(ctx context.Context, op auth.OperationID, o QueueOrder) (collections.Settled, error) {
	return call[collections.Settled](ctx, c, http.MethodPost, path("operations", op, "queue", "release"), o)
}

// Drop takes some away for good.
func (c *Client) Drop(ctx context.Context, op auth.OperationID, o QueueOrder) (collections.Settled, error) {
	return call[collections.Settled](ctx, c, http.MethodPost, path("operations", op, "queue", "drop"), o)
}

// WithdrawBatch takes a whole publication back.
func (c *Client) WithdrawBatch(ctx context.Context, op auth.OperationID, batch collections.StatusID, in BatchWithdrawal) (collections.Recall, error) {
	return call[collections.Recall](ctx, c, http.MethodPost, path("operations", op, "batches", batch, "withdraw"), in)
}

// Exposure tells who was given what of a batch, by the id of its status, or of an object.
func (c *Client) Exposure(ctx context.Context, op auth.OperationID, of string) (collections.Exposure, error) {
	return call[collections.Exposure](ctx, c, http.MethodGet, path("operations", op, "exposure")+"?"+url.Values{"of": {of}}.Encode(), nil)
}

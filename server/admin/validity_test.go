package admin_test

import (
	"fmt"

	"liaison/auth"
	"liaison/collections"
)

// plainGleaning reads nothing of objects, and takes texts as they are.
func plainGleaning() collections.Gleaning {
	return collections.Gleaning{
		Gist: func(list [][]byte, each func(collections.Gist)) {
			for range list {
				each(collections.Gist{})
			}
		},
		Value: func(text string) (collections.Value, error) {
			if text == "" {
				return collections.Value{}, fmt.Errorf("%w: value: want one", auth.ErrInvalid)
			}
			return collections.Value{Kind: "text", Text: text}, nil
		},
	}
}

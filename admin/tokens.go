package admin

import (
	"context"
	"math"
	"strings"

	"harken/admin/auth"
	"harken/inventory/fault"
)

// token is an API key. Key is the whole text in the reply that made it, and what
// people may see again later.
type token struct {
	ID        int32  `json:"id"`
	AccountID int32  `json:"accountId"`
	Name      string `json:"name"`
	Key       string `json:"key"`
	Timestamp int64  `json:"timestamp"`
	Username  string `json:"username"`
	Utility   string `json:"utility"`
}

func toToken(k *auth.APIKey, text string, c *auth.Caller) token {
	return token{
		ID: k.ID, AccountID: k.Account, Name: k.Name, Key: text, Timestamp: k.Created, Username: c.User.Email, Utility: string(k.Utility),
	}
}

type addAPITokenRequest struct {
	TokenUtility string `json:"tokenUtility" api:"required"`
}

type addAPITokenResponse struct {
	APITokenList []token `json:"apiTokenList"`
	TokenUtility string  `json:"tokenUtility"`
}

// addAPIToken makes an API key of the caller. The key is in this answer only.
func (a *API) addAPIToken(ctx context.Context, c *auth.Caller, in addAPITokenRequest) (addAPITokenResponse, error) {
	u := auth.Utility(strings.ToUpper(strings.TrimSpace(in.TokenUtility)))
	if u != auth.Burp && u != auth.CICD && u != auth.ExternalAPI {
		return addAPITokenResponse{}, fault.New(fault.Invalid, "tokenUtility: must be BURP, CICD or EXTERNAL_API")
	}
	if label := u.Plan(); label != "" {
		if err := a.checkPlan(ctx, c.Account, label); err != nil {
			return addAPITokenResponse{}, err
		}
	}
	text := auth.NewToken()
	k := auth.NewAPIKey(text, c.User.ID, c.Account, u, a.cfg.Now().Unix())
	if a.cfg.RevealTokens {
		k.Seal(a.cfg.Sealer, text)
	}
	k, err := a.cfg.Users.AddKey(ctx, k)
	if err != nil {
		return addAPITokenResponse{}, err
	}
	return addAPITokenResponse{APITokenList: []token{toToken(&k, text, c)}, TokenUtility: string(u)}, nil
}

type deleteAPITokenRequest struct {
	APITokenID Int `json:"apiTokenId" api:"required"`
}

type deleteAPITokenResponse struct {
	APITokenDeleted bool `json:"apiTokenDeleted"`
}

// deleteAPIToken ends an API key of the caller at once.
func (a *API) deleteAPIToken(ctx context.Context, c *auth.Caller, in deleteAPITokenRequest) (deleteAPITokenResponse, error) {
	id := in.APITokenID.N
	if id < math.MinInt32 || id > math.MaxInt32 {
		return deleteAPITokenResponse{}, nil
	}
	deleted, err := a.cfg.Users.DeleteKey(ctx, int32(id), c.User.ID, c.Account)
	return deleteAPITokenResponse{deleted}, err
}

type fetchAPITokensResponse struct {
	APITokenList []token `json:"apiTokenList"`
}

// fetchAPITokens lists the API keys of the caller without the keys themselves.
func (a *API) fetchAPITokens(ctx context.Context, c *auth.Caller, _ none) (fetchAPITokensResponse, error) {
	out := fetchAPITokensResponse{APITokenList: []token{}}
	all, err := a.cfg.Users.Keys(ctx, c.User.ID, c.Account)
	for i := range all {
		text := all[i].Prefix
		if a.cfg.RevealTokens {
			if whole, ok := all[i].Reveal(a.cfg.Sealer); ok {
				text = whole
			}
		}
		out.APITokenList = append(out.APITokenList, toToken(&all[i], text, c))
	}
	return out, err
}

package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// user is a demo user.
type user struct{ ID, Username, Name string }

// demoUsers are the users of the deployment. The first one signs in if no other is chosen.
var demoUsers = []user{
	{"8d0b1f6e-6a57-4c1c-8f39-0c2f5b7d1a01", "dana", "Dana Okafor"},
	{"8d0b1f6e-6a57-4c1c-8f39-0c2f5b7d1a02", "lin", "Lin Castellanos"},
	{"8d0b1f6e-6a57-4c1c-8f39-0c2f5b7d1a03", "sam", "Sam Haddad"},
}

// founded is when everything in the deployment was created. Every user is in the organization organizationID.
const (
	founded        = "2025-03-04T09:30:00Z"
	organizationID = "3c1d7f60-51a4-4b39-9d6c-7a4b0f6f2e01"
)

// Email is the user's address.
func (u user) Email() string { return u.Username + "@example.com" }

func (c *standIn) avatarURL(u user) string { return c.url + "/avatars/" + u.Username + ".svg" }

// me answers GET /api/v2/users/me in the shape of codersdk.User.
func (c *standIn) me(w http.ResponseWriter, _ *http.Request, u user) {
	writeJSON(w, http.StatusOK, map[string]any{
		"id": u.ID, "username": u.Username, "name": u.Name, "email": u.Email(), "avatar_url": c.avatarURL(u),
		"status": "active", "login_type": "password", "created_at": founded, "updated_at": founded,
		"organization_ids": []string{organizationID}, "roles": []any{},
	})
}

// workspace is a workspace of a demo user.
type workspace struct {
	name, template, display, status string
	build                           int
	seen                            time.Duration // since it was last used
	outdated, failing               bool
}

// demoWorkspaces returns the workspaces of a user: the same few for each, except for one name.
func demoWorkspaces(u user) []workspace {
	const day = 24 * time.Hour
	return []workspace{
		{"catalog-api", "kubernetes-go", "Go on Kubernetes", "running", 14, 4 * time.Minute, false, false},
		{u.Username + "-dev", "devcontainer", "Dev Container", "running", 3, 50 * time.Minute, true, true},
		{"search-reindex", "aws-linux", "AWS EC2 (Linux)", "starting", 1, 20 * time.Second, false, false},
		{"docs-site", "kubernetes-node", "Node.js on Kubernetes", "stopped", 27, 3 * day, false, false},
		{"payments-spike", "kubernetes-go", "Go on Kubernetes", "failed", 6, 9 * day, false, false},
	}
}

// workspaces answers GET /api/v2/workspaces with the user's own. Of Coder's search it knows owner:, name: and names
// alone.
func (c *standIn) workspaces(w http.ResponseWriter, r *http.Request, u user) {
	owned, part := true, ""
	for term := range strings.FieldsSeq(strings.ToLower(r.FormValue("q"))) {
		key, value, found := strings.Cut(term, ":")
		switch {
		case !found:
			part = term
		case key == "name":
			part = value
		case key == "owner":
			owned = owned && (value == "me" || value == u.Username)
		default:
			writeMessage(w, http.StatusBadRequest, "Invalid workspace search query.",
				fmt.Sprintf("%q is not a valid query param", key))
			return
		}
	}
	list := []any{}
	for i, ws := range demoWorkspaces(u) {
		if owned && strings.Contains(ws.name, part) {
			list = append(list, c.workspace(i, ws, u))
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"workspaces": list, "count": len(list)})
}

// workspace is the i-th workspace of a user in the shape of codersdk.Workspace.
func (c *standIn) workspace(i int, ws workspace, owner user) map[string]any {
	id := func(kind int) string {
		return fmt.Sprintf("%08x-%04x-4000-8000-%s", i+1, kind, owner.ID[len(owner.ID)-12:])
	}
	used := c.store.now().UTC().Add(-ws.seen)
	failing := []string{}
	if ws.failing {
		failing = append(failing, id(5))
	}
	transition, job := "start", "succeeded"
	switch ws.status {
	case "stopped":
		transition = "stop"
	case "starting":
		job = "running"
	case "failed":
		job = "failed"
	}
	return map[string]any{
		"id": id(1), "name": ws.name, "created_at": founded, "updated_at": used, "last_used_at": used,
		"owner_id": owner.ID, "owner_name": owner.Username, "owner_avatar_url": c.avatarURL(owner),
		"organization_id": organizationID, "organization_name": "coder",
		"template_id": id(2), "template_name": ws.template, "template_display_name": ws.display, "template_icon": "",
		"outdated": ws.outdated, "favorite": i == 0, "automatic_updates": "never",
		"health": map[string]any{"healthy": !ws.failing, "failing_agents": failing},
		"latest_build": map[string]any{
			"id": id(3), "workspace_id": id(1), "workspace_name": ws.name, "build_number": ws.build,
			"workspace_owner_id": owner.ID, "workspace_owner_name": owner.Username,
			"transition": transition, "status": ws.status, "created_at": used, "updated_at": used, "resources": []any{},
			"job": map[string]any{"id": id(4), "status": job, "created_at": used},
		},
	}
}

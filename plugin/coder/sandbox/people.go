package sandbox

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"
)

// The organization that everybody belongs to.
const (
	organizationID   = "3c1d7f60-51a4-4b39-9d6c-7a4b0f6f2e01"
	organizationName = "coder"
)

// user is a demo user in the shape of codersdk.User.
type user struct {
	ID              string    `json:"id"`
	Username        string    `json:"username"`
	Name            string    `json:"name"`
	Email           string    `json:"email"`
	AvatarURL       string    `json:"avatar_url"`
	Status          string    `json:"status"`
	LoginType       string    `json:"login_type"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
	OrganizationIDs []string  `json:"organization_ids"`
	Roles           []role    `json:"roles"`

	hue int // of the avatar
}

type role struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
}

// Initials are the first letters of the user's names, for the avatar.
func (u user) Initials() string {
	var b strings.Builder
	for word := range strings.FieldsSeq(u.Name) {
		b.WriteString(word[:1])
	}
	return b.String()
}

// demoUsers are the people of the deployment at url; the first is who signs in when nobody else is chosen.
func demoUsers(url string) []user {
	made := time.Date(2025, 3, 4, 9, 30, 0, 0, time.UTC)
	users := []user{
		{ID: "8d0b1f6e-6a57-4c1c-8f39-0c2f5b7d1a01", Username: "dana", Name: "Dana Okafor", hue: 265},
		{ID: "8d0b1f6e-6a57-4c1c-8f39-0c2f5b7d1a02", Username: "lin", Name: "Lin Castellanos", hue: 165},
		{ID: "8d0b1f6e-6a57-4c1c-8f39-0c2f5b7d1a03", Username: "sam", Name: "Sam Haddad", hue: 20},
	}
	for i := range users {
		u := &users[i]
		u.Email, u.AvatarURL = u.Username+"@example.com", url+"/avatars/"+u.Username+".svg"
		u.Status, u.LoginType, u.CreatedAt, u.UpdatedAt = "active", "password", made, made
		u.OrganizationIDs, u.Roles = []string{organizationID}, []role{}
	}
	users[0].Roles = []role{{Name: "owner", DisplayName: "Owner"}}
	return users
}

// user finds a demo user; the first is meant when name is empty.
func (c *standIn) user(name string) (user, bool) {
	for _, u := range c.users {
		if name == "" || name == u.Username {
			return u, true
		}
	}
	return user{}, false
}

func (c *standIn) me(w http.ResponseWriter, _ *http.Request, u user) { writeJSON(w, http.StatusOK, u) }

// avatar draws a disc with the user's initials.
func (c *standIn) avatar(w http.ResponseWriter, r *http.Request) {
	u, ok := c.user(mux.Vars(r)["user"])
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><circle cx="32" cy="32" `+
		`r="32" fill="hsl(%d 45%% 38%%)"/><text x="32" y="41" font-family="system-ui,sans-serif" font-size="25" `+
		`font-weight="600" text-anchor="middle" fill="#fff">%s</text></svg>`, u.hue, u.Initials())
}

// workspace is one row of what a user owns; seen is how long ago it was last used.
type workspace struct {
	name, template, display, status string
	build                           int
	seen                            time.Duration
	outdated, favorite              bool
	failing                         []string // ids of agents that do not answer
}

// demoWorkspaces gives every user the same believable handful, the names apart.
func demoWorkspaces(u user) []workspace {
	const hour = time.Hour
	return []workspace{
		{
			name: "catalog-api", template: "kubernetes-go", display: "Go on Kubernetes", status: "running", build: 14,
			seen: 4 * time.Minute, favorite: true,
		},
		{
			name: u.Username + "-dev", template: "devcontainer", display: "Dev Container", status: "running", build: 3,
			seen: 50 * time.Minute, outdated: true, failing: []string{"b3a5a1de-8f0e-4c36-9f57-3c1f3f4d7c11"},
		},
		{
			name: "search-reindex", template: "aws-linux", display: "AWS EC2 (Linux)", status: "starting", build: 1,
			seen: 20 * time.Second,
		},
		{
			name: "docs-site", template: "kubernetes-node", display: "Node.js on Kubernetes", status: "stopped",
			build: 27, seen: 3 * 24 * hour,
		},
		{
			name: "payments-spike", template: "kubernetes-go", display: "Go on Kubernetes", status: "failed", build: 6,
			seen: 9 * 24 * hour,
		},
	}
}

// workspaces answers GET /api/v2/workspaces with the user's own, filtered by q and cut by limit and offset.
func (c *standIn) workspaces(w http.ResponseWriter, r *http.Request, u user) {
	keep, problem := workspaceFilter(r.FormValue("q"), u)
	if problem != "" {
		writeMessage(w, http.StatusBadRequest, "Invalid workspace search query.", problem)
		return
	}
	now := c.store.now().UTC()
	list := []map[string]any{}
	for i, ws := range demoWorkspaces(u) {
		if keep(ws) {
			list = append(list, ws.json(i, u, now))
		}
	}
	count := len(list)
	if offset, err := strconv.Atoi(r.FormValue("offset")); err == nil && offset > 0 {
		list = list[min(offset, len(list)):]
	}
	if limit, err := strconv.Atoi(r.FormValue("limit")); err == nil && limit > 0 {
		list = list[:min(limit, len(list))]
	}
	writeJSON(w, http.StatusOK, map[string]any{"workspaces": list, "count": count})
}

// workspaceFilter understands the plain part of Coder's search: owner:, name:, template:, status: and bare names.
func workspaceFilter(q string, u user) (keep func(workspace) bool, problem string) {
	want := map[string]string{}
	for term := range strings.FieldsSeq(strings.ToLower(q)) {
		key, value, found := strings.Cut(term, ":")
		if !found {
			key, value = "name", term
		}
		switch key {
		case "owner", "name", "template", "status":
			want[key] = strings.Trim(value, `"`)
		default:
			return nil, fmt.Sprintf("%q is not a valid query param", key)
		}
	}
	return func(ws workspace) bool {
		owner, template, status := want["owner"], want["template"], want["status"]
		return (owner == "" || owner == "me" || owner == u.Username) && strings.Contains(ws.name, want["name"]) &&
			(template == "" || template == ws.template) && (status == "" || status == ws.status)
	}, ""
}

// json is the workspace in the shape of codersdk.Workspace.
func (ws workspace) json(i int, owner user, now time.Time) map[string]any {
	id := func(kind int) string {
		return fmt.Sprintf("%08x-%04x-4000-8000-%s", i+1, kind, strings.ReplaceAll(owner.ID, "-", "")[20:])
	}
	used := now.Add(-ws.seen)
	transition, job := "start", "succeeded"
	switch ws.status {
	case "stopped":
		transition = "stop"
	case "starting":
		job = "running"
	case "failed":
		job = "failed"
	}
	failing := ws.failing
	if failing == nil {
		failing = []string{}
	}
	return map[string]any{
		"id": id(1), "name": ws.name, "created_at": owner.CreatedAt, "updated_at": used, "last_used_at": used,
		"owner_id": owner.ID, "owner_name": owner.Username, "owner_avatar_url": owner.AvatarURL,
		"organization_id": organizationID, "organization_name": organizationName,
		"template_id": id(2), "template_name": ws.template, "template_display_name": ws.display, "template_icon": "",
		"template_active_version_id": id(3), "template_allow_user_cancel_workspace_jobs": true,
		"template_require_active_version": false, "outdated": ws.outdated, "favorite": ws.favorite,
		"automatic_updates": "never", "allow_renames": false, "ttl_ms": (8 * time.Hour).Milliseconds(),
		"autostart_schedule": nil, "deleting_at": nil, "dormant_at": nil, "next_start_at": nil,
		"health": map[string]any{"healthy": len(failing) == 0, "failing_agents": failing},
		"latest_build": map[string]any{
			"id": id(4), "workspace_id": id(1), "workspace_name": ws.name,
			"workspace_owner_id": owner.ID, "workspace_owner_name": owner.Username,
			"template_version_id": id(3), "template_version_name": "sandbox", "build_number": ws.build,
			"transition": transition, "status": ws.status, "reason": "initiator",
			"initiator_id": owner.ID, "initiator_name": owner.Username,
			"created_at": used, "updated_at": used, "resources": []any{}, "daily_cost": 0,
			"job": map[string]any{"id": id(5), "status": job, "created_at": used, "tags": map[string]string{}},
		},
	}
}

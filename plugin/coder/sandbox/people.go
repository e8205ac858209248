package sandbox

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"text/template"
	"time"

	"github.com/gorilla/mux"
)

// user is a demo user.
type user struct{ ID, Username, Name, Email string }

// workspace is a workspace of a demo user, with the fields that differ.
type workspace struct {
	Number, Build, IdleSeconds                       int
	Name, Template, Display, Status, Transition, Job string
	Outdated, Failing                                bool
	Used                                             string // when it was last used
}

//go:embed api/demo.json
var demoJSON []byte

// deployment is what the stand-in knows. The first user signs in if no other is chosen. Each user has the same few
// workspaces, except for one name.
type deployment struct {
	Users      []user
	Workspaces []workspace
}

var demo = func() (d deployment) {
	if err := json.Unmarshal(demoJSON, &d); err != nil {
		panic(err)
	}
	return d
}()

// documents are the answers of Coder's API, in the shapes of its package codersdk.
var documents = template.Must(template.ParseFS(files, "api/*.tmpl"))

// writeDocument answers with one of the documents, filled in with data.
func writeDocument(w http.ResponseWriter, name string, data map[string]any) {
	var text bytes.Buffer
	if err := documents.ExecuteTemplate(&text, name, data); err != nil {
		panic(err) // a mistake in the template
	}
	writeJSON(w, http.StatusOK, json.RawMessage(text.Bytes()))
}

// me answers GET /api/v2/users/me.
func (c *standIn) me(w http.ResponseWriter, _ *http.Request, u user) {
	writeDocument(w, "me.tmpl", map[string]any{"URL": c.url, "User": u})
}

// loginType answers GET /api/v2/users/me/login-type. The frontend plugin asks for it to see whether a token works.
func (c *standIn) loginType(w http.ResponseWriter, _ *http.Request, _ user) {
	writeJSON(w, http.StatusOK, map[string]string{"login_type": "password"})
}

// buildParameters answers GET /api/v2/workspacebuilds/{id}/parameters for the user's own workspaces. By them the frontend
// plugin finds the workspaces of a repository.
func (c *standIn) buildParameters(w http.ResponseWriter, r *http.Request, u user) {
	for _, ws := range demo.Workspaces {
		if mux.Vars(r)["build"] == fmt.Sprintf("%08x-%04x-4000-8000-%s", ws.Number, 3, u.ID[24:]) {
			name := strings.ReplaceAll(ws.Name, "{user}", u.Username)
			writeJSON(w, http.StatusOK, []map[string]string{{"name": "repo_url", "value": "https://github.com/example/" + name}})
			return
		}
	}
	writeMessage(w, http.StatusNotFound, "Resource not found or you do not have access to this resource", "")
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
	var list []workspace
	for _, ws := range demo.Workspaces {
		ws.Name = strings.ReplaceAll(ws.Name, "{user}", u.Username)
		ws.Used = c.store.now().UTC().Add(-time.Duration(ws.IdleSeconds) * time.Second).Format(time.RFC3339Nano)
		if owned && strings.Contains(ws.Name, part) {
			list = append(list, ws)
		}
	}
	writeDocument(w, "workspaces.tmpl", map[string]any{"URL": c.url, "Owner": u, "Workspaces": list})
}

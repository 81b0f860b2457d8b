package deploy_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
)

// The overlay for a second table that the page on other projects' tables shows: it has its own name, its own pods and its
// own columns, beside the first one.
func TestOverlayForASecondTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../.github/WORKS_WITH.md")
	if err != nil {
		t.Fatal(err)
	}
	_, overlay, found := strings.Cut(string(page), "```yaml\nresources:\n")
	overlay, _, closed := strings.Cut(overlay, "```")
	if !found || !closed {
		t.Fatal("the page shows no kustomization")
	}
	all, err := kustomize(t, map[string]string{"mine/kustomization.yaml": strings.Replace("resources:\n"+overlay, "../standalone", "../token-janitor/standalone", 1)})
	if err != nil {
		t.Fatal(err)
	}
	d := built[apps.Deployment](t, all, "Deployment", "token-janitor-sessions")
	env := map[string]string{}
	for _, v := range d.Spec.Template.Spec.Containers[0].Env {
		env[v.Name] = v.Value
	}
	for name, want := range map[string]string{
		"TOKEN_JANITOR_TABLE": "django_session", "TOKEN_JANITOR_EXPIRES_COLUMN": "expire_date",
		"TOKEN_JANITOR_REVOKED_COLUMN": "none", "TOKEN_JANITOR_REVOKED_AT_COLUMN": "none",
	} {
		if env[name] != want {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
	const instance = "app.kubernetes.io/instance"
	s := built[core.Service](t, all, "Service", "token-janitor-sessions")
	got := []string{d.Spec.Selector.MatchLabels[instance], d.Spec.Template.Labels[instance], s.Spec.Selector[instance], s.Labels[instance]}
	if !slices.Equal(got, []string{"sessions", "sessions", "sessions", "sessions"}) { // the last is the job in Prometheus
		t.Errorf("the selectors, the pods and the Service have %s %q", instance, got)
	}
}

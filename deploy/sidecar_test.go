package deploy_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// kustomizing is held while kustomize runs: it keeps the schema of Kubernetes in a variable of its package.
var kustomizing sync.Mutex

// kustomize builds a kustomization of these files, beside which the folder of ours is called token-janitor, as kubectl -k does.
func kustomize(t *testing.T, files map[string]string) (resmap.ResMap, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "token-janitor"), os.DirFS("kubernetes")); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kustomizing.Lock()
	defer kustomizing.Unlock()
	return krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, "mine"))
}

// built is the one object of that kind and name that a kustomization makes.
func built[T any](t *testing.T, all resmap.ResMap, kind, name string) (object T) {
	t.Helper()
	for _, r := range all.Resources() {
		if r.GetKind() == kind && r.GetName() == name {
			text, err := r.AsYAML()
			if err == nil {
				err = yaml.Unmarshal(text, &object)
			}
			if err != nil {
				t.Fatal(err)
			}
			return object
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return object
}

const withSidecar = `
resources: [api.yaml]
components: [../token-janitor/sidecar]
`

// somebodys is a workload that has whatever a workload has, ports, volumes and names like ours among it.
const somebodys = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop-backend
  namespace: shop
  labels: {team: shop}
  annotations: {token-janitor/sidecar: "true", owner: ada}
spec:
  replicas: 7
  revisionHistoryLimit: 3
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0}}
  selector:
    matchLabels: {app: backend}
  template:
    metadata:
      labels: {app: backend, app.kubernetes.io/component: api}
      annotations: {prometheus.io/scrape: "true"}
    spec:
      serviceAccountName: backend
      automountServiceAccountToken: true
      enableServiceLinks: true
      terminationGracePeriodSeconds: 25
      shareProcessNamespace: true
      securityContext: {runAsUser: 1000, fsGroup: 1000}
      nodeSelector: {disk: ssd}
      tolerations: [{key: spot, operator: Exists}]
      volumes:
        - {name: tmp, emptyDir: {}}
        - {name: token-janitor, configMap: {name: token-janitor}}
      initContainers:
        - {name: migrate, image: "shop/backend:1.2", command: [alembic, upgrade, head], envFrom: [{secretRef: {name: db}}]}
        - {name: proxy, image: "envoy:1", restartPolicy: Always, ports: [{name: proxy, containerPort: 9857}]}
      containers:
        - name: backend
          image: shop/backend:1.2
          args: [--port=8000]
          env: [{name: DATABASE_URL, value: "postgres://db/shop"}, {name: TOKEN_JANITOR_LOG_FORMAT, value: text}]
          ports: [{name: http, containerPort: 8000}, {name: metrics, containerPort: 9090}]
          readinessProbe: {httpGet: {path: /health, port: http}}
          volumeMounts: [{name: tmp, mountPath: /tmp}, {name: token-janitor, mountPath: /etc/token-janitor}]
          securityContext: {readOnlyRootFilesystem: true}
        - name: worker
          image: shop/worker:1.2
`

func TestSidecarLeavesTheRestOfAWorkload(t *testing.T) {
	t.Parallel()
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(somebodys) }
	for _, c := range []struct{ name, kind, object, api, mine string }{
		{"a Deployment", "Deployment", "shop-backend", somebodys, withSidecar},
		{"called api", "Deployment", "api", edit("shop-backend", "api", "namespace: shop", "namespace: default"), withSidecar},
		{"a StatefulSet", "StatefulSet", "shop-backend", edit("kind: Deployment", "kind: StatefulSet",
			"  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0}}\n", "  serviceName: backend\n"), withSidecar},
		{"without init containers", "Deployment", "shop-backend", cut(somebodys, "      initContainers:\n", "      containers:\n"), withSidecar},
		{"without volumes", "Deployment", "shop-backend", cut(edit(", {name: token-janitor, mountPath: /etc/token-janitor}", ""), "      volumes:\n", "      initContainers:\n"), withSidecar},
		{"by a patch of one's own", "Deployment", "shop-backend", edit("token-janitor/sidecar: \"true\", ", ""), `
resources: [api.yaml]
patches: [{path: patch.yaml, target: {kind: Deployment, name: shop-backend}}]
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const other = "\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: other}\nspec: {selector: {matchLabels: {app: other}}, " +
				"template: {metadata: {labels: {app: other}}, spec: {containers: [{name: token-janitor, image: other}]}}}\n"
			files := map[string]string{"mine/api.yaml": c.api + other, "mine/kustomization.yaml": c.mine, "mine/patch.yaml": read(t, "kubernetes/sidecar/patch.yaml")}
			with, err := kustomize(t, files)
			if err != nil {
				t.Fatal(err)
			}
			files["mine/kustomization.yaml"] = "resources: [api.yaml]"
			without, err := kustomize(t, files)
			if err != nil {
				t.Fatal(err)
			}
			got, want := built[map[string]any](t, with, c.kind, c.object), built[map[string]any](t, without, c.kind, c.object)
			if a, b := built[apps.Deployment](t, with, "Deployment", "other"), built[apps.Deployment](t, without, "Deployment", "other"); !reflect.DeepEqual(a, b) {
				t.Errorf("a Deployment without the annotation became %+v", a)
			}
			pod := built[apps.Deployment](t, with, c.kind, c.object).Spec.Template // a StatefulSet's has the same place
			if len(pod.Spec.InitContainers) == 0 || !reflect.DeepEqual(pod.Spec.InitContainers[0], forms(t)["sidecar"].container) {
				t.Fatalf("the first of the init containers is not the janitor: %+v", pod.Spec.InitContainers)
			}
			if service := manifest[core.Service](t, "sidecar/service.yaml"); !selects(service.Spec.Selector, pod.Labels) {
				t.Errorf("the service selects %v, the pods have %v", service.Spec.Selector, pod.Labels)
			}
			template := got["spec"].(map[string]any)["template"].(map[string]any)
			spec := template["spec"].(map[string]any)
			if spec["initContainers"] = spec["initContainers"].([]any)[1:]; len(spec["initContainers"].([]any)) == 0 {
				delete(spec, "initContainers")
			}
			delete(template["metadata"].(map[string]any)["labels"].(map[string]any), "token-janitor/sidecar")
			if !reflect.DeepEqual(got, want) {
				t.Errorf("the workload became\n%v\nand was\n%v", got, want)
			}
			var names []string
			for _, r := range with.Resources() {
				names = append(names, r.GetKind()+" "+r.GetName())
			}
			wanted := []string{c.kind + " " + c.object, "Deployment other", "Service token-janitor-sidecar"}
			if strings.Contains(c.mine, "patches") {
				wanted = wanted[:2]
			}
			if slices.Sort(names); !slices.Equal(names, sorted(wanted)) {
				t.Errorf("it makes %q, want %q", names, wanted)
			}
		})
	}
}

// An init container of the same name is the janitor that somebody took over by hand: its own settings stay.
func TestSidecarThatIsThereAlready(t *testing.T) {
	t.Parallel()
	api := strings.Replace(somebodys, "      initContainers:\n",
		"      initContainers:\n        - {name: token-janitor, image: mine, args: [--max-rate=50], env: [{name: TOKEN_JANITOR_TABLE, value: auth.tokens}]}\n", 1)
	all, err := kustomize(t, map[string]string{"mine/api.yaml": api, "mine/kustomization.yaml": withSidecar})
	if err != nil {
		t.Fatal(err)
	}
	pod := built[apps.Deployment](t, all, "Deployment", "shop-backend").Spec.Template.Spec
	var names, env []string
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		names = append(names, c.Name)
	}
	for _, e := range pod.InitContainers[0].Env {
		env = append(env, e.Name)
	}
	if !slices.Equal(names, []string{"token-janitor", "migrate", "proxy", "backend", "worker"}) ||
		!slices.Equal(pod.InitContainers[0].Args, []string{"--max-rate=50"}) || !slices.Contains(env, "TOKEN_JANITOR_TABLE") || !slices.Contains(env, "DATABASE_URL") {
		t.Errorf("containers %q, of the first args %q and env %q", names, pod.InitContainers[0].Args, env)
	}
}

// What the header of the component says to write is taken from it, and works.
func TestSidecarAsItsHeaderSays(t *testing.T) {
	t.Parallel()
	_, text, ok := strings.Cut(read(t, "kubernetes/sidecar/kustomization.yaml"), "#     resources:\n")
	text, _, found := strings.Cut(text, "#\n# See ")
	if !ok || !found {
		t.Fatal("the header has no example")
	}
	mine := "resources:\n"
	for line := range strings.Lines(text) {
		mine += strings.TrimPrefix(line, "#     ")
	}
	mine = strings.Replace(mine, "token-janitor/deploy/kubernetes/sidecar", "../token-janitor/sidecar", 1)
	all, err := kustomize(t, map[string]string{"mine/api.yaml": somebodys, "mine/kustomization.yaml": mine})
	if err != nil {
		t.Fatalf("%v\n%s", err, mine)
	}
	janitor := built[apps.Deployment](t, all, "Deployment", "shop-backend").Spec.Template.Spec.InitContainers[0]
	secret := janitor.Env[0].ValueFrom.SecretKeyRef
	if janitor.Image != "registry.example.com/token-janitor:v1.0.0" || secret.Name != "my-database" || secret.Key != "DATABASE_URL" {
		t.Errorf("the janitor is %+v", janitor)
	}
}

// Nothing of ours stands in for what others may have: what a kustomization applies is called after the janitor, in
// whatever namespace is the current one, and no two kustomizations apply the same.
func TestNamesAreOurOwn(t *testing.T) {
	t.Parallel()
	owner := map[string]string{}
	for _, dir := range []string{"standalone", "cronjob", "monitoring", "sidecar"} {
		mine := "resources: [../token-janitor/" + dir + "]"
		if dir == "sidecar" {
			mine = "components: [../token-janitor/sidecar]"
		}
		all, err := kustomize(t, map[string]string{"mine/kustomization.yaml": mine})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all.Resources() {
			name := r.GetKind() + " " + r.GetName()
			if !strings.HasPrefix(r.GetName(), "token-janitor") || r.GetNamespace() != "" {
				t.Errorf("%s applies %s of namespace %q", dir, name, r.GetNamespace())
			}
			if owner[name] != "" {
				t.Errorf("both %s and %s apply %s", owner[name], dir, name)
			}
			owner[name] = dir
		}
	}
}

// The component is not applied by itself, as kubectl apply -k would.
func TestSidecarAlone(t *testing.T) {
	t.Parallel()
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "kubernetes/sidecar")
	if err != nil {
		t.Log(err)
		return
	}
	for _, r := range all.Resources() {
		if r.GetKind() != "Service" || r.GetName() != "token-janitor-sidecar" {
			t.Errorf("it applies %s %s", r.GetKind(), r.GetName())
		}
	}
}

// cut leaves out what stands between two lines, with the first.
func cut(text, from, to string) string {
	head, rest, _ := strings.Cut(text, from)
	_, tail, _ := strings.Cut(rest, to)
	return head + to + tail
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

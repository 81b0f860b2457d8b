// Package chart holds the Helm chart of deploy/helm against the plain manifests, as Helm itself renders it.
package chart

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	chartutil "helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const deploy = "../../deploy"

type object = map[string]any

// render is what the chart makes of these values, by kind.
func render(t *testing.T, release string, values object) (map[string]object, error) {
	t.Helper()
	chart, err := loader.Load(filepath.Join(deploy, "helm"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(chart, values, common.ReleaseOptions{Name: release, Namespace: "shop", IsInstall: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return nil, err
	}
	made := map[string]object{}
	for name, text := range files {
		for _, part := range strings.Split(text, "\n---\n") {
			if strings.HasSuffix(name, ".tpl") || strings.TrimSpace(part) == "" {
				continue
			}
			var o object
			if err := yaml.UnmarshalStrict([]byte(part), &o); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, part)
			}
			kind, _ := o["kind"].(string)
			if made[kind] != nil || kind == "" {
				t.Fatalf("%s makes a second %q", name, kind)
			}
			made[kind] = o
		}
	}
	return made, nil
}

// plain is a manifest of deploy/kubernetes.
func plain(t *testing.T, name string) (o object) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, "kubernetes", name))
	if err == nil {
		err = yaml.UnmarshalStrict(text, &o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// at is what lies at a path of keys.
func at(t *testing.T, o object, path ...string) object {
	t.Helper()
	for _, key := range path {
		inner, ok := o[key].(object)
		if !ok {
			t.Fatalf("there is no %s of %q in %v", key, path, o)
		}
		o = inner
	}
	return o
}

// same holds a part of what the chart makes against that of a plain manifest, which stand for one another but for
// these paths: there the chart has the labels of the plain one and more.
func same(t *testing.T, got, want object, labels ...[]string) {
	t.Helper()
	for _, path := range labels {
		a, b := at(t, got, path...), at(t, want, path...)
		for name, value := range b {
			if a[name] != value {
				t.Errorf("label %s at %q is %v, want %v", name, path, a[name], value)
			}
		}
		maps.DeleteFunc(a, func(string, any) bool { return true })
		maps.DeleteFunc(b, func(string, any) bool { return true })
	}
	if !reflect.DeepEqual(got["spec"], want["spec"]) {
		a, _ := yaml.Marshal(got["spec"])
		b, _ := yaml.Marshal(want["spec"])
		t.Errorf("the chart makes of %v\n%s\nthe manifest is\n%s", want["kind"], a, b)
	}
}

func TestStandaloneIsTheManifests(t *testing.T) {
	t.Parallel()
	made, err := render(t, "token-janitor", nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, made["Deployment"], plain(t, "standalone/deployment.yaml"),
		[]string{"spec", "selector", "matchLabels"}, []string{"spec", "template", "metadata", "labels"})
	same(t, made["Service"], plain(t, "standalone/service.yaml"), []string{"spec", "selector"}, []string{"metadata", "labels"})
	same(t, made["NetworkPolicy"], plain(t, "standalone/networkpolicy.yaml"), []string{"spec", "podSelector", "matchLabels"})
	if len(made) != 3 {
		t.Errorf("it makes %d objects, want 3", len(made))
	}
}

func TestCronJobIsTheManifest(t *testing.T) {
	t.Parallel()
	made, err := render(t, "token-janitor", object{"mode": "cronjob"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, made["CronJob"], plain(t, "cronjob/cronjob.yaml"), []string{"metadata", "labels"},
		[]string{"spec", "jobTemplate", "metadata", "labels"}, []string{"spec", "jobTemplate", "spec", "template", "metadata", "labels"})
	same(t, made["NetworkPolicy"], plain(t, "cronjob/networkpolicy.yaml"), []string{"spec", "podSelector", "matchLabels"})
	if len(made) != 2 {
		t.Errorf("it makes %d objects, want 2", len(made))
	}
}

func TestMonitoringIsTheManifests(t *testing.T) {
	t.Parallel()
	on := object{"enabled": true, "labels": object{"release": "stack"}}
	made, err := render(t, "token-janitor", object{"serviceMonitor": on, "prometheusRule": on})
	if err != nil {
		t.Fatal(err)
	}
	same(t, made["ServiceMonitor"], plain(t, "monitoring/servicemonitor.yaml"), []string{"spec", "selector", "matchLabels"})
	same(t, made["PrometheusRule"], plain(t, "monitoring/prometheusrule.yaml"))
	for _, kind := range []string{"ServiceMonitor", "PrometheusRule"} {
		if at(t, made[kind], "metadata", "labels")["release"] != "stack" {
			t.Errorf("%s lacks the label of the operator's release", kind)
		}
	}
}

// The values reach what they are for, and a pod is selected by no other release's Service.
func TestValues(t *testing.T) {
	t.Parallel()
	made, err := render(t, "shop", object{
		"image":         object{"repository": "registry.example.com/janitor", "tag": "v9.9.9"},
		"database":      object{"secret": "mine", "key": "uri"},
		"env":           object{"TOKEN_JANITOR_KEEP_REVOKED": "720h"},
		"networkPolicy": object{"enabled": false},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(made["Deployment"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"image: registry.example.com/janitor:v9.9.9\n", "name: mine\n", "key: uri\n", "name: TOKEN_JANITOR_KEEP_REVOKED\n", "value: 720h\n", "name: shop-token-janitor\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if made["NetworkPolicy"] != nil {
		t.Error("a NetworkPolicy that is not wanted")
	}
	if at(t, made["Service"], "spec", "selector")["app.kubernetes.io/instance"] != "shop" {
		t.Error("the Service selects other releases' pods")
	}
	if _, err := render(t, "shop", object{"mode": "sidecar"}); err == nil || !strings.Contains(err.Error(), "want standalone or cronjob") {
		t.Errorf("a mode that there is not: %v", err)
	}
}

func TestHelmFindsNothing(t *testing.T) {
	t.Parallel()
	on := object{"enabled": true}
	for _, values := range []object{{}, {"mode": "cronjob"}, {"serviceMonitor": on, "prometheusRule": on}} {
		for _, m := range lint.RunAll(filepath.Join(deploy, "helm"), values, "shop").Messages {
			if m.Severity > support.InfoSev { // an icon is recommended
				t.Errorf("%v: %v", values, m)
			}
		}
	}
}

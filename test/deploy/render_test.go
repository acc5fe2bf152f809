// Package deploy_test holds the Dockerfile and the Kubernetes manifests to
// what their README promises. Nothing here needs a network, a cluster or a
// container engine: kustomize renders in memory, client-go's types judge the
// fields, BuildKit's own front end judges the Dockerfile.
//
// Run it with -count=1: what it reads lies outside this module, where the go
// command's test cache does not look for changes.
package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const (
	repository = "../.." // the root of the repository, from this package
	manifests  = repository + "/deploy/k8s"
	inMemory   = "/k8s" // where kustomize finds a copy of them
)

// renderings are all ways in which the repository itself puts the manifests
// together. A promise that holds for every pod is tested on each of them.
var renderings = map[string]func(*testing.T) objects{
	"base":           base,
	"try":            try,
	"README example": readmeExample,
}

func base(t *testing.T) objects { return render(t, tree(t), ".") }
func try(t *testing.T) objects  { return render(t, tree(t), "overlays/try") }

// readmeExample is the overlay that the README tells users to write, with
// every component switched on.
func readmeExample(t *testing.T) objects { return overlay(t, readmeYAML(t)[0]) }

// readmeYAML returns the README's blocks of yaml: the overlay, and what else may
// be added to it.
func readmeYAML(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile(manifests + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, found := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readme, -1) {
		blocks = append(blocks, string(found[1]))
	}
	if len(blocks) != 2 {
		t.Fatalf("the README has %d yaml examples, want 2", len(blocks))
	}
	return blocks
}

// overlay renders an overlay of a user's.
func overlay(t *testing.T, kustomization string) objects {
	t.Helper()
	fs := tree(t)
	if err := fs.WriteFile(inMemory+"/overlays/production/kustomization.yaml", []byte(kustomization)); err != nil {
		t.Fatal(err)
	}
	return render(t, fs, "overlays/production")
}

// objects are rendered manifests, decoded strictly.
type objects []runtime.Object

// one returns the only object of its type.
func one[T runtime.Object](t *testing.T, all objects) T {
	t.Helper()
	found := every[T](all)
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want 1", len(found), *new(T))
	}
	return found[0]
}

// every returns the objects of a type, in the order of the rendering.
func every[T runtime.Object](all objects) []T {
	var found []T
	for _, o := range all {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	return found
}

// tree copies deploy/k8s into memory, so that a test may add overlays.
func tree(t *testing.T) filesys.FileSystem {
	t.Helper()
	fs := filesys.MakeFsInMemory()
	err := filepath.WalkDir(manifests, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(manifests, path)
		if err != nil {
			return err
		}
		return fs.WriteFile(filepath.Join(inMemory, name), content)
	})
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// render runs kustomize on a directory of the copy.
func render(t *testing.T, fs filesys.FileSystem, dir string) objects {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, filepath.Join(inMemory, dir))
	if err != nil {
		t.Fatalf("rendering %s: %v", dir, err)
	}
	var all objects
	for _, r := range resources.Resources() {
		manifest, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		o, err := decode(manifest)
		if err != nil {
			t.Fatalf("%s %s: %v", r.GetKind(), r.GetName(), err)
		}
		all = append(all, o)
	}
	return all
}

// decode refuses fields that the API server does not know, save for kinds that
// are not Kubernetes' own: a ServiceMonitor comes back as unstructured.
func decode(manifest []byte) (runtime.Object, error) {
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme,
		json.SerializerOptions{Yaml: true, Strict: true})
	o, _, err := strict.Decode(manifest, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		custom := &unstructured.Unstructured{}
		_, _, err = strict.Decode(manifest, nil, custom)
		return custom, err
	}
	return o, err
}

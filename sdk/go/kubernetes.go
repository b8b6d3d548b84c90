package relrun

// Namespace is one namespace of a Kubernetes cluster. The host finds the cluster by its context, and holds the credentials.
type Namespace struct{ context, name string }

// KubernetesNamespace returns a namespace of the cluster that a context of the user's kubeconfig names. It is reached only where a grant names
// both.
func KubernetesNamespace(context, name string) Namespace { return Namespace{context, name} }

// Name returns the namespace's name.
func (n Namespace) Name() string { return n.name }

// Request starts a request to the API server. The path begins with /api or /apis, and lies in the namespace or names a document of kinds.
func (n Namespace) Request(method, path string) *Request {
	request := NewRequest(method, path)
	request.made.Cluster = &[2]string{n.context, n.name}
	return request
}

// KubernetesMark returns this ledger's mark, as JSON, to stand on an object from its first change on. The mark that was found there, or nothing, is
// compared with it: another ledger's is denied until the user says --adopt. object names the object for the person who reads that.
func KubernetesMark(found, object string) (string, error) {
	if found == "" {
		return host().Mark(nil, object)
	}
	return host().Mark(&found, object)
}

//! The examples do what the README says: `examples/site` is released, released again, and rolled back, in a project of the test's own.

#![expect(clippy::unwrap_used, reason = "a test's panic is how it fails, in its helpers too")]

use relrun_tests::{Ran, Sandbox};
use std::fs;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "examples/site/release.kdl";
const WEB1: &str = "examples/site/.deploy/production/web1/srv/www/site/current/index.html";
const WEB2: &str = "examples/site/.deploy/production/web2/srv/www/site/current/index.html";
const TRY1: &str = "examples/site/.deploy/staging/try1/srv/www/site/current/index.html";

/// This repository's pages and the example, as they are now.
fn project() -> Sandbox {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sandbox = Sandbox::new();
    for name in ["README.md", "relrun.kdl", MANIFEST] {
        sandbox.write(name, &fs::read_to_string(checkout.join(name)).unwrap());
    }
    let sdks = fs::read_dir(checkout.join("sdk")).unwrap().map(|entry| entry.unwrap().path());
    let of_sdks = sdks.flat_map(|sdk| [sdk.join("README.md"), sdk.join("example/README.md")]).filter(|page| page.is_file());
    for path in ["docs", "wit"].iter().flat_map(|folder| files(&checkout.join(folder))).chain(of_sdks) {
        let name = path.strip_prefix(&checkout).unwrap().to_str().unwrap();
        sandbox.write(name, &fs::read_to_string(&path).unwrap());
    }
    let plugin = "examples/site/target/render.wasm";
    fs::create_dir(sandbox.path("examples/site/target")).unwrap();
    let built = checkout.join(plugin);
    assert!(built.is_file(), "there is no {plugin}: type `cargo xtask guests` first");
    fs::copy(built, sandbox.path(plugin)).unwrap();
    sandbox
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn done(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.output);
}

fn is_titled(sandbox: &Sandbox, page: &str, title: &str) -> bool {
    sandbox.read(page).contains(&format!("<title>{title}</title>"))
}

#[test]
fn the_site_goes_live_twice_and_comes_back() {
    let sandbox = project();
    done(&sandbox.relrun(&["apply", MANIFEST]));
    assert!([TRY1, WEB1, WEB2].iter().all(|page| is_titled(&sandbox, page, "relrun")));

    let again = sandbox.relrun(&["apply", MANIFEST]);
    done(&again);
    assert!(again.output.contains("nothing to do"), "{}", again.output);

    done(&sandbox.relrun(&["apply", MANIFEST, "-i", "title=relrun, again"]));
    assert!([TRY1, WEB1, WEB2].iter().all(|page| is_titled(&sandbox, page, "relrun, again")));

    let back = sandbox.relrun(&["rollback", "-e", "production", "-m", MANIFEST]);
    done(&back);
    assert!(!back.output.contains("render | "), "nothing is built: {}", back.output);
    assert!([WEB1, WEB2].iter().all(|page| is_titled(&sandbox, page, "relrun")));
    assert!(is_titled(&sandbox, TRY1, "relrun, again"), "staging stays as it is");
}

#[test]
fn a_link_that_leads_nowhere_stops_it_before_anything_is_deployed() {
    let sandbox = project();
    sandbox.write("docs/broken.md", "# Broken\n\n[gone](gone.md), [nothing](#nothing)\n");
    let ran = sandbox.relrun(&["apply", MANIFEST]);
    assert_eq!(ran.code, 1, "{}", ran.output);
    assert!(ran.output.contains("docs/broken.html: ../docs/gone.html: there is no docs/gone.html"), "{}", ran.output);
    assert!(ran.output.contains("docs/broken.html: #nothing: docs/broken.html has no element with the id \"nothing\""), "{}", ran.output);
    assert!(!sandbox.path("examples/site/.deploy").exists());
}

/// Somebody changes a page on one live host behind relrun's back, and the look at what is served says so and takes the release back.
#[test]
fn a_page_that_is_not_what_was_rendered_is_seen() {
    let sandbox = project();
    done(&sandbox.relrun(&["apply", MANIFEST]));
    let page = fs::canonicalize(sandbox.path(WEB2)).unwrap();
    fs::write(page, "defaced").unwrap();
    let ran = sandbox.relrun(&["apply", MANIFEST, "--force"]);
    assert_eq!(ran.code, 1, "{}", ran.output);
    assert!(ran.output.contains("web2: index.html is not what was rendered"), "{}", ran.output);
}

/// The example of a cluster is rolled out to the stub, into two namespaces.
#[test]
fn the_cluster_gets_what_the_example_says() {
    let stub = relrun_tests::kubernetes_stub::KubernetesStub::start();
    let mut sandbox = Sandbox::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/kubernetes"));
    sandbox.set("KUBECONFIG", stub.kubeconfig().to_str().unwrap());
    done(&sandbox.relrun(&["apply", "--yes"]));
    assert_eq!(stub.get("deployments", "web").unwrap()["spec"]["replicas"], 2);
    let plan = sandbox.relrun(&["plan", "--build", "-i", "image=shop:2"]);
    assert!(plan.output.contains("would change Deployment/web"), "{}", plan.output);
    done(&sandbox.relrun(&["apply", "--yes", "-i", "image=shop:2"]));
    done(&sandbox.relrun(&["rollback", "-e", "production", "--yes"]));
    assert_eq!(stub.get("deployments", "web").unwrap()["spec"]["template"]["spec"]["containers"][0]["image"], "shop:1");
}

// A page served by --watch reloads when it has changed.
if (root.dataset.live !== undefined) {
  let known = null;
  const timer = setInterval(() => {
    fetch(location.pathname, { method: "HEAD", cache: "no-store" }).then((response) => {
      const tag = response.headers.get("ETag");
      if (known !== null && tag !== known) location.reload();
      known = tag;
    }).catch(() => clearInterval(timer));
  }, 2000);
}

// Files cannot be sent from this page yet: show a notice, and prevent the browser from opening a dropped file.

/** Call `refuse()` for each attempt to paste or drop files. */
export function refuseFiles(refuse) {
  addEventListener('dragover', (event) => {
    if (hasFiles(event.dataTransfer)) event.preventDefault(); // otherwise the browser opens the dropped file
  });
  addEventListener('drop', (event) => {
    if (!hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    refuse();
  });
  addEventListener('paste', (event) => {
    // Office programs add a picture to pasted text.
    if (hasFiles(event.clipboardData) && !event.clipboardData.types.includes('text/plain')) refuse();
  });
}

function hasFiles(transfer) {
  return transfer?.types.includes('Files') ?? false;
}
